"""Figures beside those of the C programs, measured in turn in one run: `python -m benchmarks --help`."""
