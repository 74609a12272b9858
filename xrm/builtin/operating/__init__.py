"""Watching and running a site: counts of what it does, and the switch that makes it read-only."""
