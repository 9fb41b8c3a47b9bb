"""One picture: its angle, what is to be done about it, and the upright copy."""
