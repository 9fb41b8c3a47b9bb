"""Arrays and degrees: angles around the circle, and warping. No files, no networks."""
