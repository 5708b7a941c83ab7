"""The embedded store: a server that the processes which use a data folder start and stop."""
