"""How a report writes numbers and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from mirstore.core import durations
from mirstore.core.experiments.metrics import of_chunks

metric_names = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "recall": "recall",
    "pearson_r": "Pearson correlation",
    "r2": "share of variance explained (R²)",
    "mae": "mean absolute error",
}


def known(value: Any) -> TypeGuard[float]:
    """Return whether a value is a finite number.

    Parameters
    ----------
    value : object

    Examples
    --------
    >>> known(0.5), known(None), known(float("nan"))
    (True, False, False)
    """
    return isinstance(value, int | float) and abs(value) < float("inf")


def number(value: Any, digits: int = 3) -> str:
    """Return a number with a fixed count of decimals and a real minus sign; a dash for what is not known.

    Parameters
    ----------
    value : float or None
    digits : int >= 0
        After the point.

    Examples
    --------
    >>> number(-0.12345), number(-0.0001), number(None)
    ('−0.123', '0.000', '–')
    """
    if not known(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if not float(text) else text.replace("-", "−")


def general(value: Any, digits: int = 4) -> str:
    """Return a number of any size in so many significant digits; whole parts below a million are kept.

    Parameters
    ----------
    value : float or None
    digits : int > 0

    Examples
    --------
    >>> general(0.000123456), general(12.5), general(float("inf"))
    ('0.0001235', '12.5', '–')
    """
    if not known(value):
        return "–"
    text = whole(round(value)) if 10**digits <= abs(value) < 1e6 else f"{value:.{digits}g}"
    return text.replace("-", "−")


def spread(value: Mapping[str, Any]) -> str:
    """Return a mean and its standard deviation, to three decimals where that says enough.

    Parameters
    ----------
    value : Mapping
        ``mean`` and ``sd``, either of which may be missing.

    Examples
    --------
    >>> spread({"mean": 0.71, "sd": 0.02})
    '0.710 ± 0.020'
    """
    mean, sd = value.get("mean"), value.get("sd")
    if known(mean) and 0.01 <= abs(mean) < 1000:
        return number(mean) + (f" ± {number(sd)}" if known(sd) else "")
    return general(mean, 3) + (f" ± {general(sd, 2)}" if known(sd) else "")


def percent(share: Any) -> str:
    """Return a share as whole per cent.

    Parameters
    ----------
    share : float or None
        1 is 100 %.
    """
    return f"{100 * share:.0f}\u202f%" if known(share) else "–"


def cell(share: float) -> str:
    """Return a share as whole per cent without the sign, for the cells of a table that says it.

    Parameters
    ----------
    share : float in [0, 1]

    Examples
    --------
    >>> cell(0.184), cell(0.004), cell(1.0)
    ('18', '<1', '100')
    """
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


def whole(value: Any) -> str:
    """Return a count with narrow spaces between thousands.

    Parameters
    ----------
    value : int or None
    """
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else "–"


def count(n: int, noun: str) -> str:
    """Return ``1 fold``, ``5 folds``.

    Parameters
    ----------
    n : int
    noun : str
        In the singular.

    Examples
    --------
    >>> count(1, "fold"), count(5, "class")
    ('1 fold', '5 classes')
    """
    return f"{whole(n)} {noun}{'' if n == 1 else 'es' if noun.endswith('s') else 's'}"


def listed(items: Iterable[str], conjunction: str = "and") -> str:
    """Return ``a, b and c``.

    Parameters
    ----------
    items : iterable of str
    conjunction : str

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b"], "or"), listed(["a"])
    ('a, b and c', 'a or b', 'a')
    """
    parts = list(items)
    return f" {conjunction} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def metric(name: str) -> str:
    """Return what a metric is called in prose.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> metric("roc_auc"), metric("chunk_accuracy")
    ('ROC-AUC', 'accuracy of chunks')
    """
    if name.startswith(of_chunks):
        return f"{metric(name.removeprefix(of_chunks))} of chunks"
    return metric_names.get(name, plain(name))


def plain(name: str) -> str:
    """Return a name without underscores: ``sound_shaping`` is sound shaping.

    Parameters
    ----------
    name : str
    """
    return name.replace("_", " ")


def capital(text: str) -> str:
    """Return a text with a capital first letter, the rest as it was.

    Parameters
    ----------
    text : str
    """
    return text[:1].upper() + text[1:]


def moment(iso: str) -> str:
    """Return an ISO 8601 time as a reader writes it.

    Parameters
    ----------
    iso : str

    Examples
    --------
    >>> moment("2026-03-01T09:30:12+00:00")
    '2026-03-01 09:30 UTC'
    """
    return iso[:16].replace("T", " ") + (" UTC" if iso.endswith(("+00:00", "Z")) else "")


def interval(value: Mapping[str, Any]) -> str:
    """Return the two ends of an interval in brackets, or a dash.

    Parameters
    ----------
    value : Mapping
        ``low`` and ``high``, either of which may be missing.

    Examples
    --------
    >>> interval({"low": -0.1, "high": 0.25}), interval({"low": None, "high": None})
    ('[−0.100, 0.250]', '–')
    """
    if not has_interval(value):
        return "–"
    return f"[{number(value['low'])}, {number(value['high'])}]"


def probability(p: float) -> str:
    """Return a p value as it stands in a sentence.

    Parameters
    ----------
    p : float in [0, 1]

    Examples
    --------
    >>> probability(0.0153), probability(0.00004), probability(0.9999)
    ('p = 0.015', 'p < 0.001', 'p = 1')
    """
    if p < 0.0005:
        return "p < 0.001"
    return f"p = {number(p)}" if p < 0.9995 else "p = 1"


def amount(value: Any) -> str:
    """Return a count that may be a mean of counts: whole, or with one decimal.

    Parameters
    ----------
    value : float or None

    Examples
    --------
    >>> amount(7.0), amount(2.5), amount(1 / 3)
    ('7', '2.5', '0.3')
    """
    return number(value, 0 if known(value) and abs(value - round(value)) < 0.05 else 1)


def article(noun: str) -> str:
    """Return a noun with ``a`` or ``an``.

    Parameters
    ----------
    noun : str
        Not empty.

    Examples
    --------
    >>> article("artist"), article("fold")
    ('an artist', 'a fold')
    """
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def has_interval(value: Mapping[str, Any]) -> bool:
    """Return whether both ends of the interval are known.

    Parameters
    ----------
    value : Mapping
        ``low`` and ``high``, either of which may be missing.
    """
    return known(value.get("low")) and known(value.get("high"))


def about_half(task: Mapping[str, Any]) -> str:
    """Return what a fit to a random half learns from: whole artists or albums, and of a small class more than half.

    Parameters
    ----------
    task : Mapping
        As JSON.

    Examples
    --------
    >>> about_half({"units": "artist", "exclusive": True}), about_half({"exclusive": False})
    ('about half of the artists of each class (two at least, if it has them)', 'about half of the tracks')
    """
    units = f"about half of the {task.get('units') or 'track'}s"
    return f"{units} of each class (two at least, if it has them)" if task.get("exclusive") else units


def duration(seconds: Any) -> str:
    """Return seconds as people say them; a dash for what is not known.

    Parameters
    ----------
    seconds : float >= 0 [s] or None
    """
    return durations.duration(seconds) if known(seconds) else "–"
