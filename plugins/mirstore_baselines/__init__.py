"""Floors and ceilings for a report: majority, ridge, logistic regression, random forest, by scikit-learn."""

from __future__ import annotations

from mirstore.core import Model, hookimpl
from mirstore_baselines.forest import RandomForest
from mirstore_baselines.linear import LogisticRegression, Ridge
from mirstore_baselines.majority import Majority

__all__ = ["LogisticRegression", "Majority", "RandomForest", "Ridge"]


@hookimpl
def register_models() -> list[type[Model]]:
    return [LogisticRegression, Majority, RandomForest, Ridge]
