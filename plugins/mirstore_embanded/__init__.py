"""EM-banded regression: linear models that say how much each group of features matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mirstore.core import Model, hookimpl
from mirstore_embanded.model import EMBanded
from mirstore_embanded.statistics import Gram

if TYPE_CHECKING:
    from mirstore_embanded.estimators import EMBandedClassifier, EMBandedRegressor

__all__ = ["EMBanded", "EMBandedClassifier", "EMBandedRegressor", "Gram"]


@hookimpl
def register_models() -> list[type[Model]]:
    return [EMBanded]


def __getattr__(name: str) -> Any:
    if name in ("EMBandedClassifier", "EMBandedRegressor"):
        from mirstore_embanded import estimators  # loads scikit-learn

        return getattr(estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
