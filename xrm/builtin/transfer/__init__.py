"""Records in and out of files: CSV, JSON and JSON lines, with a mapping from columns to fields."""
