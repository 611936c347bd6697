"""Figures beside other implementations: speed (``python -m benchmarks --help``), and in `peers` accuracy."""
