"""From the klass of a job to a performed job: find the handler, run it, report its result."""
