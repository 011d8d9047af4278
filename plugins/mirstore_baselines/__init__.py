"""Floors and ceilings for a report: majority, mean, linear models, forests, boosted trees, by scikit-learn."""

from __future__ import annotations

from mirstore.core import Model, hookimpl
from mirstore_baselines.boosting import GradientBoosting
from mirstore_baselines.forest import ExtraTrees, RandomForest
from mirstore_baselines.linear import LogisticRegression, Ridge
from mirstore_baselines.majority import Majority, Mean

__all__ = ["ExtraTrees", "GradientBoosting", "LogisticRegression", "Majority", "Mean", "RandomForest", "Ridge"]


@hookimpl
def register_models() -> list[type[Model]]:
    return [ExtraTrees, GradientBoosting, LogisticRegression, Majority, Mean, RandomForest, Ridge]
