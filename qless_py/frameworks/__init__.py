"""Django, Flask and others: what connects an App with a web framework."""
