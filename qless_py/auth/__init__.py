"""Authentication and authorization of the dashboard."""
