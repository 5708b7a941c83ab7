"""`qless-py top`: queues, workers and running jobs, live in a terminal."""
