"""The pages of the studio, one file each; Streamlit runs them, nothing imports them."""
