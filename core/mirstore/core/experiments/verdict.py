"""What the cases of an experiment say together: claims, each with its test and numbers, and what cannot be told.

On labels that have nothing to do with the features at most one report in twenty may claim anything. So one case is
named before any has run; whether it is better than guessing is tested first, and all that is said of groups of
features stands behind that test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from math import factorial, prod

import numpy as np

from mirstore.core.experiments.inference import (
    alpha,
    detectable,
    holm,
    interval,
    p_above_zero,
    p_of_draws,
    tracks_needed,
)

without_gate = 0.01
"""How often the best of all cases may be claimed where the case that was named before is not above guessing: what is
left of `alpha`, since the first test has used it up."""

deviations = 2.6
"""By how many standard deviations of its half-samples a difference of shares must exceed 0."""

groupings_needed = 200
narrow, wide = 0.01, 0.9
"""Random groupings that differ less than this, or range over more, cannot say what size explains."""


@dataclass(frozen=True)
class Evidence:
    """What a finished case gave to decide about.

    Attributes
    ----------
    run : str
    kind : str
        ``signed``, ``opaque``, ``floor``, as its model says, or ``control``: its groups were drawn by chance.
    folds : sequence of str
        Checksum of each different fold: only values on the same folds can be compared.
    values, floors : sequence of float
        The task's metric on each of them, and that of a model that knows nothing but the labels' frequencies.
    test_share : float
        Test tracks over training tracks of a fold.
    permuted : sequence of float
        Mean difference of value and floor under each permutation of the labels; empty if that was not tried.
    shares : Mapping of str to float
        Of the groups, in a fit to everything.
    halves, groupings : Mapping of str to sequence of float
        The same in fits to half of the units, and to everything with random groups of the same sizes.
    sizes : Mapping of str to int
        Columns of each group.
    tracks : int or None
        How many it was about; those of the task if None.
    torn : bool
        Whether artists, or what else labels were permuted by, stand on both sides of folds.
    """

    run: str
    kind: str
    folds: Sequence[str]
    values: Sequence[float]
    floors: Sequence[float]
    test_share: float
    permuted: Sequence[float] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    halves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    groupings: Mapping[str, Sequence[float]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    tracks: int | None = None
    torn: bool = False


@dataclass(frozen=True)
class Claim:
    """Something that a report says, or that it looked at and does not say.

    Attributes
    ----------
    kind : str
        ``above guessing`` (the case named before), ``best above guessing`` (the best of all cases), ``better``
        (one case than another), ``more`` (a model uses one group more than another), ``most`` (more than half),
        ``more than size`` (than its number of columns explains).
    holds : bool
        Whether the test allows it to be said.
    run : str
    than : str or None
        The other run of ``better``, the other group of ``more``.
    group : str or None
        Which is used.
    value : float
        Difference to the floor, to the other run, or to the other group's share; of ``most`` the share, of ``more
        than size`` the share less what groups of its size get.
    low, high : float or None
        95 % interval of ``value``.
    test : str
        ``permuted labels``, ``corrected t`` (of folds), ``half-samples`` or ``random groupings``.
    p : float or None
        Corrected for ``of``; None where the test is by an interval.
    of : int
        How many were tested together.
    """

    kind: str
    holds: bool
    run: str
    value: float
    low: float | None
    high: float | None
    test: str
    p: float | None = None
    of: int = 1
    group: str | None = None
    than: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What the cases of a task say.

    Attributes
    ----------
    found : bool
        Whether anything is claimed.
    claims : sequence of Claim
        What may be said.
    open : sequence of Claim
        What was tested too, and may not be said.
    explained : str or None
        Run of the case that was named before; None if it has not finished.
    tracks : int
    needs_tracks : int or None
        Roughly how many it would take, within a factor of 3, if the effect is what it looks like; None if the case
        named before is above guessing, or nobody can tell.
    detectable : float or None
        The mean of the metric from which on something would have been found; None if something was, or nobody can
        tell.
    shares : Mapping of str to sequence of float
        Of the explained case's groups: share, and both ends of its 95 % interval. Empty if it is not above guessing.
    untested : Mapping of str to str
        ``order`` and ``size``: why they could not be tested.
    """

    found: bool = False
    claims: Sequence[Claim] = ()
    open: Sequence[Claim] = ()
    explained: str | None = None
    tracks: int = 0
    needs_tracks: int | None = None
    detectable: float | None = None
    shares: Mapping[str, Sequence[float]] = field(default_factory=dict)
    untested: Mapping[str, str] = field(default_factory=dict)


def judge(cases: Sequence[Evidence], explained: str | None, tracks: int, sign: int = 1) -> Verdict:
    """Return the verdict on the cases of one task.

    Parameters
    ----------
    cases : sequence of Evidence
        All that have finished.
    explained : str or None
        Run of the case that was named before results were seen.
    tracks : int
        Of the task.
    sign : int
        -1 if smaller values of the metric are better.
    """
    main = next((case for case in cases if case.run == explained), None)
    gate = above_guessing(main, tracks, sign) if main else None
    passed = gate is not None and gate.holds
    rivals = [case for case in cases if case.kind in ("signed", "opaque")]
    tested = [gate] if gate else []
    tested += _best(rivals, main, passed, tracks, sign) if len(rivals) > 1 else []
    if any(claim.holds for claim in tested):
        tested += _better(rivals, main, tracks, sign)
    untested: dict[str, str] = {}
    if main and passed:
        tested += _order(main, untested) + _sizes(main, untested)
    differences = _differences(main, sign) if main else []
    tracks = main.tracks or tracks if main else tracks
    limits = (differences, main.test_share) if main and not passed else None
    floor = float(np.mean(main.floors)) if main else 0.0
    draws = [sign * value for value in main.permuted] if main else []
    unit = _least(main, tracks, sign) if main else 0.0
    least = detectable(*limits, draws, unit) if limits else None
    return Verdict(
        found=any(claim.holds for claim in tested),
        claims=[claim for claim in tested if claim.holds],
        open=[claim for claim in tested if not claim.holds],
        explained=main.run if main else None,
        tracks=tracks,
        needs_tracks=tracks_needed(tracks, *limits, unit) if limits else None,
        detectable=None if least is None else floor + sign * least,
        shares=share_intervals(main) if main and passed else {},
        untested=untested,
    )


def above_guessing(case: Evidence, tracks: int, sign: int = 1) -> Claim | None:
    """Return whether one case, named before, is above guessing.

    Parameters
    ----------
    case : Evidence
    tracks : int
    sign : int
        -1 if smaller values of the metric are better.

    Returns
    -------
    Claim or None
        None if that cannot be tested: one fold, and no permutations.
    """
    differences = _differences(case, sign)
    if len(case.permuted):
        p: float | None = p_of_draws(float(np.mean(differences)), [sign * value for value in case.permuted])
    else:
        p = p_above_zero(differences, case.test_share, _least(case, tracks, sign))
    if p is None:
        return None
    test = "permuted labels" if len(case.permuted) else "corrected t"
    return _claim("above guessing", p <= alpha, case, _differences(case, 1), test, p)


def _least(case: Evidence, tracks: int, sign: int) -> float:
    """Return the least standard error: what one track is of a share, and of an error what it is of that of guessing."""
    return (float(np.mean(case.floors)) if sign < 0 else 1.0) / (case.tracks or tracks)


def _differences(case: Evidence, sign: int) -> list[float]:
    return [sign * (value - floor) for value, floor in zip(case.values, case.floors, strict=True)]


def _claim(
    kind: str,
    holds: bool,
    case: Evidence,
    differences: Sequence[float],
    test: str,
    p: float,
    of: int = 1,
    than: str | None = None,
) -> Claim:
    low, high = interval(differences, case.test_share) or (None, None)
    return Claim(kind, holds, case.run, float(np.mean(differences)), low, high, test, p, of, than=than)


def _best(cases: Sequence[Evidence], main: Evidence | None, passed: bool, tracks: int, sign: int) -> list[Claim]:
    """Return whether the best case is above guessing, corrected for all that it was chosen from.

    It is not said against the test of the case named before: neither of the same case, nor where artists stand on both
    sides of folds, which only permuted labels allow for.
    """
    p = [p_above_zero(_differences(case, sign), case.test_share, _least(case, tracks, sign)) for case in cases]
    known = [(case, value) for case, value in zip(cases, p, strict=True) if value is not None]
    if len(known) < len(cases):
        return []
    corrected = holm([value for _, value in known])
    best = max(range(len(cases)), key=lambda i: sign * np.mean(cases[i].values))
    holds = corrected[best] <= (alpha if passed else without_gate)
    if not passed and main is not None and (cases[best] is main or cases[best].torn):
        holds = False
    if cases[best] is main and holds != passed:
        return []  # its own test has been told
    return [
        _claim(
            "best above guessing",
            holds,
            cases[best],
            _differences(cases[best], 1),
            "corrected t",
            corrected[best],
            len(cases),
        )
    ]


def _better(cases: Sequence[Evidence], main: Evidence | None, tracks: int, sign: int) -> list[Claim]:
    """Return how the best case, the best opaque one and the one named before differ, where the folds are the same."""
    order = sorted(cases, key=lambda case: -sign * float(np.mean(case.values)))
    opaque = next((case for case in order if case.kind == "opaque"), None)
    shown = list({case.run: case for case in (order[0], main, opaque) if case is not None}.values())
    pairs = [
        (a, b) if sign * np.mean(a.values) >= sign * np.mean(b.values) else (b, a)
        for a, b in combinations(shown, 2)
        if a.folds == b.folds and len(a.folds) > 1
    ]
    gaps = [[x - y for x, y in zip(a.values, b.values, strict=True)] for a, b in pairs]
    # Which of the two is better was not known before: two-sided.
    one_sided = [
        p_above_zero([sign * g for g in gap], a.test_share, _least(a, tracks, sign))
        for gap, (a, _) in zip(gaps, pairs, strict=True)
    ]
    p = [min(1.0, 2 * value) for value in one_sided if value is not None]  # all have several folds
    return [
        _claim("better", value <= alpha, a, gap, "corrected t", value, len(pairs), than=b.run)
        for (a, b), gap, value in zip(pairs, gaps, holm(p), strict=True)
    ]


def share_intervals(case: Evidence) -> dict[str, tuple[float, float, float]]:
    """Return each group's share with its 95 % interval: 1.96 deviations over half-samples to both sides.

    Parameters
    ----------
    case : Evidence

    Returns
    -------
    dict of str to (float, float, float)
        Share, low and high, in [0, 1]; empty if there are no half-samples. The interval holds the share.
    """
    found = {}
    for group, share in case.shares.items():
        if len(drawn := case.halves.get(group, ())) > 1:
            half = 1.96 * float(np.std(drawn, ddof=1))
            found[group] = (share, max(0.0, share - half), min(1.0, share + half))
    return found


def _order(case: Evidence, untested: dict[str, str]) -> list[Claim]:
    """Return of which groups the model uses more: of neighbours in the order, and of the first and each other one."""
    if why := _without(case, case.halves, "fits to halves of the data were made", "fit to half of the data"):
        untested["order"] = why
        return []
    order = sorted(case.shares, key=lambda group: -case.shares[group])
    pairs = dict.fromkeys([(order[0], other) for other in order[1:]] + list(pairwise(order)))
    claims = []
    for more, less in pairs:
        gap = case.shares[more] - case.shares[less]
        spread = float(np.std(np.subtract(case.halves[more], case.halves[less]), ddof=1))
        holds = spread > 1e-9 and gap > deviations * spread
        ends = gap - 1.96 * spread, gap + 1.96 * spread
        claims.append(Claim("more", holds, case.run, gap, *ends, "half-samples", of=len(pairs), group=more, than=less))
    for group, (share, low, high) in share_intervals(case).items():
        if share > 0.5:
            claims.append(Claim("most", low > 0.5, case.run, share, low, high, "half-samples", group=group))
    return claims


def _without(case: Evidence, drawn: Mapping[str, Sequence[float]], none: str, one: str) -> str:
    """Return why shares cannot be compared with those of other fits, nothing if they can."""
    if len(case.shares) < 2:
        return "there is one group of features only" if case.shares else "the model does not say which groups it uses"
    draws = max(map(len, drawn.values()), default=0)
    if draws > 1:
        return ""
    if draws == 1:
        return f"one {one} has no spread"
    return f"no {none}{', since the model is opaque' if case.kind == 'opaque' else ''}"


def _sizes(case: Evidence, untested: dict[str, str]) -> list[Claim]:
    """Return which groups are used more than their number of columns explains."""
    if len(case.shares) < 2:
        return []
    if why := _without(case, case.groupings, "groups were drawn by chance", "random grouping"):
        untested["size"] = why
        return []
    draws = np.array([case.groupings[group] for group in case.shares], dtype=np.float64)
    different = factorial(sum(case.sizes.values())) // prod(map(factorial, case.sizes.values()))
    if different < groupings_needed:
        untested["size"] = "there are too few ways to draw groups of these sizes"
        return []
    spread = draws.std(axis=1, ddof=1)
    low, high = np.quantile(draws, (0.025, 0.975), axis=1)
    if spread.min() < narrow or (high - low).max() > wide:
        same = spread.min() < narrow
        untested["size"] = f"groups drawn by chance get {'the same share every time' if same else 'any share'}"
        return []
    mean = draws.mean(axis=1)
    largest = ((draws - mean[:, None]) / spread[:, None]).max(axis=0)
    claims = []
    for i, (group, share) in enumerate(case.shares.items()):
        p = p_of_draws(float((share - mean[i]) / spread[i]), largest.tolist())
        ends, excess = (share - float(high[i]), share - float(low[i])), share - float(mean[i])
        claims.append(
            Claim(
                "more than size",
                bool(p <= alpha),
                case.run,
                excess,
                *ends,
                "random groupings",
                p,
                of=len(case.shares),
                group=group,
            )
        )
    return claims
