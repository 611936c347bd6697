"""The command `focal-ref`, a module for each of its commands."""
