"""Diagnosis: what made a loss wrong, and the smallest input that shows it."""
