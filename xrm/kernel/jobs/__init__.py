"""Durable jobs: work for later, kept in the site's own database and done at least once, whatever is killed."""
