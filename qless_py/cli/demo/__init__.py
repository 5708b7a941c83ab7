"""The demonstration: the standard library of the running Python, indexed by real jobs."""
