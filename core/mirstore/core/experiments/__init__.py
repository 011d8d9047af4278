"""Experiments without a store: cases of a matrix, folds, metrics, and one case run on given examples."""
