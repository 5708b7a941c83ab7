"""Management commands: `qless_worker` and `qless`."""
