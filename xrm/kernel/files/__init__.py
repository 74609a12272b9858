"""Files of records: contents by digest, what they are, pictures, and what a write may attach."""
