"""Floors and ceilings for a report: majority, mean, ridge, logistic regression, random forest, by scikit-learn."""

from __future__ import annotations

from mirstore.core import Model, hookimpl
from mirstore_baselines.forest import RandomForest
from mirstore_baselines.linear import LogisticRegression, Ridge
from mirstore_baselines.majority import Majority, Mean

__all__ = ["LogisticRegression", "Majority", "Mean", "RandomForest", "Ridge"]


@hookimpl
def register_models() -> list[type[Model]]:
    return [LogisticRegression, Majority, Mean, RandomForest, Ridge]
