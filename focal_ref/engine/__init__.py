"""The engine: how each array library runs a program, and what may be asked of its arrays."""
