"""Audit of every logit of a type: enclosures, tallies and the scan."""
