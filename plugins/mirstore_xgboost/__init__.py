"""Gradient-boosted trees with group importances, as SAMAT and its predecessor used them."""

from __future__ import annotations

from mirstore.core import Model, hookimpl
from mirstore_xgboost.model import XGBoost

__all__ = ["XGBoost"]


@hookimpl
def register_models() -> list[type[Model]]:
    return [XGBoost]
