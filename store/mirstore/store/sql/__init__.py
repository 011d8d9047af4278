"""A user's SQL: the views, and a session that sees nothing else."""
