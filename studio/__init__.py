"""The studio: a client of the HTTP interface and of `xrm.metadata`, for people who change a site's model.

Every edit goes into a draft (draft.py), a set of changed YAML files kept on the server; the page of changes shows what
applying it would do, and applies it. Streamlit's state holds only what is on the screen.
"""
