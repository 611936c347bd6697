"""Array libraries and frameworks that losses are measured on."""
