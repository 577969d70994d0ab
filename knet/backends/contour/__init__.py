"""The Contour gateway."""
