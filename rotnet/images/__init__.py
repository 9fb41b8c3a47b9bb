"""Files to pixels and back: reading, turning by a known angle, writing. No networks."""
