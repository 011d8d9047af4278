"""LMNN by metric-learn, which Buisson et al. used: an extra, and much slower than our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mirstore.core.extras import require
from mirstore_smoothing.lmnn import targets


def metric_learn_lmnn(n_components: int | None, seed: int) -> Any:
    """Return metric-learn's LMNN with the settings of Buisson et al., not fitted.

    Parameters
    ----------
    n_components : int or None
    seed : int

    Raises
    ------
    PluginError
        If metric-learn is not installed.
    """
    require("lmnn")
    from metric_learn import LMNN, _util

    for name in ("check_array", "check_X_y"):
        setattr(_util, name, _renaming(getattr(_util, name)))
    return LMNN(n_neighbors=targets, regularization=0.5, max_iter=10_000, n_components=n_components, random_state=seed)


def _renaming(check: Callable[..., Any]) -> Callable[..., Any]:
    """Return scikit-learn's check with a parameter of its old name too.

    scikit-learn 1.6 calls ``ensure_all_finite`` what was ``force_all_finite``, and 1.8 knows the old name no more;
    metric-learn 0.7, the latest, gives the old one.
    """
    if check.__module__ == __name__:
        return check  # already done

    def renamed(*args: Any, **named: Any) -> Any:
        if "force_all_finite" in named:
            named["ensure_all_finite"] = named.pop("force_all_finite")
        return check(*args, **named)

    return renamed
