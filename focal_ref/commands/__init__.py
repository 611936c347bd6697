"""Command `focal-ref`, a module for each of its commands (`check` has two: `measure`, and `check` for a function)."""
