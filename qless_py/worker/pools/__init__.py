"""How the jobs of one child run: one by one, in threads, in processes, as asyncio tasks."""
