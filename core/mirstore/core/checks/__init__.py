"""The conformance kit: what every component promises, one check per property.

In a plugin's tests::

    @pytest.mark.parametrize("check", checks_for(Tempo()), ids=lambda check: check.__name__)
    def test_keeps_the_contract(check):
        check(Tempo())

An extractor that reads other features is checked as a feature set that says where they come from::

    stats = FeatureSet("mfcc-stats", MfccStats(), {"mfcc": FeatureSet("mfcc", Mfcc())})
    checks_for(stats)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mirstore.core.checks import extractors, general, groupers, models, smoothers
from mirstore.core.checks.subject import Subject, component_of, feature_of
from mirstore.core.components import Extractor, Grouper, Smoother
from mirstore.core.errors import MirstoreError
from mirstore.core.models import Model
from mirstore.core.pool import local_pool
from mirstore.core.workers import Limits

__all__ = ["Check", "CheckResult", "checks_for", "run_checks"]

Check = Callable[[Any], None]
"""Takes the component (or feature set) and raises if it lacks the property that the function's name states."""

_checks_of_kind: dict[type, tuple[Check, ...]] = {
    Extractor: extractors.checks,
    Grouper: groupers.checks,
    Smoother: smoothers.checks,
    Model: models.checks,
}


@dataclass(frozen=True)
class CheckResult:
    """How one check went.

    Attributes
    ----------
    name : str
        The property, as a sentence with underscores.
    ok : bool
        Whether the component has it.
    message : str
        What is wrong, empty if nothing is.
    """

    name: str
    ok: bool
    message: str = ""


def checks_for(subject: Subject) -> list[Check]:
    """Return the checks that fit a component, in a sensible order; each is called with the component.

    Parameters
    ----------
    subject : Component or FeatureSet
        A feature set where an extractor reads other features.

    Raises
    ------
    UsageError
        If the extractor reads features that are not given.
    TypeError
        If it is no component.
    """
    component = component_of(subject)
    for kind, checks in _checks_of_kind.items():
        if isinstance(component, kind):
            if isinstance(component, Extractor):
                feature_of(subject)
            return [*general.checks, *checks]
    raise TypeError(f"{component!r} is no extractor, grouper, smoother or model")


def run_checks(subject: Subject, *, seconds: float = 600.0) -> list[CheckResult]:
    """Run all checks in a process of their own, so that a component that crashes or hangs fails its check only.

    Parameters
    ----------
    subject : Component or FeatureSet
        See `checks_for`.
    seconds : float > 0 [s]
        How long one check may take.

    Returns
    -------
    list of CheckResult
        One per check of `checks_for`.
    """
    return list(_results(checks_for(subject), subject, seconds))


def _results(checks: list[Check], subject: Subject, seconds: float) -> Iterator[CheckResult]:
    while checks:
        with _process() as run:
            while checks:
                check = checks.pop(0)
                message = run(check, subject, seconds)
                yield CheckResult(check.__name__, not message, message)
                if message.startswith("ended"):
                    break  # the process is gone: go on with a new one


@contextmanager
def _process() -> Iterator[Callable[[Check, Subject, float], str]]:
    with local_pool(1, Limits()) as pool:

        def run(check: Check, subject: Subject, seconds: float) -> str:
            try:
                return pool.submit(_outcome, check, subject).result(timeout=seconds)
            except BrokenExecutor:
                return "ended its process: a crash in native code, or out of memory"
            except TimeoutError:
                return f"ended after {seconds:g} s without a result"
            except Exception as error:  # what cannot be pickled never gets there
                return _sentence(error)

        yield run


def _outcome(check: Check, subject: Subject) -> str:
    try:
        check(subject)
    except Exception as error:  # whatever a plugin raises is its failure, not ours
        return _sentence(error)
    return ""


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, AssertionError | MirstoreError) else f"{type(error).__name__}: {text}"
