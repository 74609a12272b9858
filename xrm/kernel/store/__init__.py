"""The database of a site: engines, tables, codecs. Start reading at store.py."""
