"""The synchronous client: queues, jobs, recurring jobs, batches, workflows, limits, events."""
