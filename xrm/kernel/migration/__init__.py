"""A MODEL CHANGES: compared, planned with its impact, applied in one transaction, kept, rolled back, purged."""
