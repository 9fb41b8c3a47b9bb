"""How quick rotnet is, and beside what: `python -m benchmarks`."""
