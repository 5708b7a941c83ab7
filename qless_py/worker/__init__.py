"""The forking worker: a parent that runs no job code, and children that do."""
