"""From files to rows: sources, what is new, the plan, the run."""
