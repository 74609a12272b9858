"""Parts of pages that Streamlit does not have: lists to put in order, and rows to fill in."""
