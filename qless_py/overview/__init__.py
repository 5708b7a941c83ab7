"""What dashboard and terminal show of a whole namespace: its numbers, and what is wrong."""
