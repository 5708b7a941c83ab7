"""How the jobs of one child run: one after another, in threads, in processes, in an event loop."""
