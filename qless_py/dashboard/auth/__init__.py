"""Who may use the dashboard: roles, sign-in, and the checks on every request."""
