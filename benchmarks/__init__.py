"""Measurements: ratios against a hand-written limit, in one interleaved run. Run with `make bench`."""
