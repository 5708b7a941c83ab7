"""What can be put around handlers: each is called with the job and gives a context manager."""
