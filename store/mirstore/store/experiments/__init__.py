"""Experiments on a store: the task, the cases, their runs, and what is said of them."""
