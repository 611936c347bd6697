"""How exact the focal losses of other packages are, measured as focal_ref measures itself."""
