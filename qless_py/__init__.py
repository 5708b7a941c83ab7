"""A job queue whose every state transition is one atomic Lua script inside Redis."""

__version__ = "0.1.0"
