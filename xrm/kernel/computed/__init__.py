"""Computed fields: formulas, lookups and rollups. `sql` computes them when they are read."""
