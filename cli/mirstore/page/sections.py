"""Everything the templates show, computed here so that they only have to write it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.page import (
    articles,
    by_class,
    confusion,
    groups,
    listeners,
    meaning,
    published,
    scores,
    t_tests,
    tracks,
    training,
)
from mirstore.page.claims import Claims
from mirstore.page.ranking import case_name, differing, ranking
from mirstore.page.verdict import answer, evidence, kept_whole, question
from mirstore.page.words import count, listed, metric

titles = {
    "data": "Data",
    "results": "Results",
    "published": "Published figures",
    "t_tests": "The t test as published",
    "training": "Learning curves",
    "labels": "Labels",
    "by_class": "Values by class",
    "groups": "Groups of features",
    "listeners": "What listeners say",
    "meaning": "What the groups hold",
    "listen": "Listen",
    "tracks": "Tracks",
    "smoothing": "Ambiguity",
    "health": "Health of the features",
    "provenance": "Provenance",
    "open": "Cases without a result",
}

kinds_of_copies = {"audio": "identical file", "near": "near-identical recording"}


def sections(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the page.

    Parameters
    ----------
    report : Mapping
        See `mirstore.page.render`.
    """
    report = {"features": [], "health": [], **report, "data": report.get("data") or {}}
    claims = Claims(report.get("verdict") or {}, ranking(report))
    single = articles.articles(report, claims)
    found: dict[str, Any] = {
        "data": _data(report),
        "results": {"table": scores.table(report, claims), "folds": scores.fold_panels(report, claims)}
        if scores.learned(claims.cases)
        else None,
        "published": published.table(report),
        "t_tests": t_tests.table(report, claims),
        "training": training.training(claims.cases),
        "labels": {
            "per": scores.label_table(report, claims),
            "heat": scores.label_heat(report, claims),
            "confusion": confusion.confusions(claims),
        },
        "by_class": by_class.distributions(report),
        "groups": {
            "shares": groups.share_table(claims),
            "figures": groups.importance_figures(claims),
            "measures": groups.measure_tables(claims),
            "heat": groups.heat_maps(claims),
        },
        "listeners": listeners.comparison(report, claims),
        "meaning": meaning.meanings(claims),
        "listen": tracks.listening(claims, report.get("clips") or {}, articles.places(single)),
        "tracks": single,
        "smoothing": tracks.smoothing(claims.cases),
        "health": _health(report["health"] or []),
        "provenance": {"command": report.get("command"), **(report.get("provenance") or {})},
        "open": _open(report),
    }
    shown = {key: title for key, title in titles.items() if _something(found[key])}
    return {
        "report": report,
        "question": question(report),
        "answer": answer(report, claims),
        "evidence": evidence(report, claims),
        "facts": _facts(report, found["data"]),
        "notes": _notes(report),
        "kinds_of_copies": kinds_of_copies,
        "explained": claims.explained,
        "named": claims.named,
        "models": _models(found["groups"]["figures"]),
        "sections": shown,
        **found,
    }


def _models(figures: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the models whose importances are drawn, by the colour that they have."""
    names: dict[str, dict[str, None]] = {"first": {}, "second": {}}
    for case in [case for item in figures for case in item["pair"]]:
        names["second" if case.role == "opaque" else "first"][case.model] = None
    return {colour: list(models) for colour, models in names.items()}


def _something(part: Any) -> bool:
    return any(part.values()) if isinstance(part, dict) else bool(part)


def _kind(task: Mapping[str, Any]) -> str:
    return "target" if task.get("numeric") else "class" if task["exclusive"] else "tag"


def _facts(report: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Return what was measured on what, in one line."""
    task = report["task"]
    other = f", learned from, and of {task['evaluate_on']}, tested" if task.get("evaluate_on") else ""
    parts = [count(data["tracks"], "track") if data.get("tracks") else "", f"of {task['dataset']}{other}"]
    said = [" ".join(filter(None, parts))]
    said += [count(data["artists"], "artist")] if data.get("artists") else []
    if data["classes"]:
        said.append(count(len(data["classes"]), _kind(task)))
    if data["folds"]:
        together, known = kept_whole(report)
        each, keep = "each" if known == data["tracks"] else "each known", "keeps" if data["folds"] == 1 else "keep"
        apart = f" that {keep} {each} {together} whole" if together else ""
        said.append(f"{count(data['folds'], 'fold')}{apart}{data['repeated']}")
    return f"{', '.join(said)}; {metric(task['metric'])}"


def _data(report: Mapping[str, Any]) -> dict[str, Any]:
    data, folds = report["data"], report["data"].get("folds") or []
    classes = sorted(data.get("classes") or [], key=lambda row: (-row["tracks"], row["label"]))
    return {
        **data,
        "classes": classes,
        "largest": max((row["tracks"] for row in classes), default=1) or 1,
        "sizes": {part: _span([fold.get(part, 0) for fold in folds]) for part in ("train", "validation", "test")}
        if folds
        else {},
        "folds": len({fold["fold"] for fold in folds}),
        "repeated": _repeated(report["task"].get("runs", 1), folds),
        "leakage": data.get("leakage") or [],
        "left_out": data.get("left_out") or [],
    }


def _repeated(runs: int, folds: Sequence[Mapping[str, Any]]) -> str:
    """Return how often folds are repeated, and how many are different: tests count equal ones once."""
    if runs < 2:
        return ""
    different = len({fold.get("sha256") or (fold["run"], fold["fold"]) for fold in folds})
    return f", repeated {runs} times ({count(different, 'different fold')})"


def _span(sizes: Sequence[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low}" if low == high else f"{low}–{high}"


def _health(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    poor = [row for row in rows if row.get("missing") or row.get("constant") or row.get("outliers")]
    poor.sort(key=lambda row: (not row.get("constant"), -(row.get("missing") or 0), -(row.get("outliers") or 0)))
    sound = [row for row in rows if row not in poor]
    return {"poor": poor, "sound": sound} if rows else {}


def _open(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the cases that failed or could not run, and why."""
    varying = differing([case["case"] for case in report["cases"]])
    return [
        {
            "name": case_name(case["case"], varying),
            "state": "failed" if case.get("state") == "failed" else "could not run",
            "why": case.get("error") or case.get("why") or "no reason was recorded",
        }
        for case in report["cases"]
        if not (case.get("state") == "finished" and case.get("metrics"))
    ]


def _notes(report: Mapping[str, Any]) -> list[str]:
    """Return what a reader should know before the numbers: cases without result, what models had to say."""
    without, found = _open(report), []
    if without:
        states = [(state, sum(row["state"] == state for row in without)) for state in ("failed", "could not run")]
        parts = listed(f"{number} {state}" for state, number in states if number)
        found.append(f"Of {count(len(report['cases']), 'case')}, {parts}: the reasons stand at the end of the page.")
    if withdrawn := (report.get("data") or {}).get("withdrawn"):
        tracks = f"{count(withdrawn, 'track')} {'was' if withdrawn == 1 else 'were'}"
        found.append(f"{tracks} withdrawn since these cases ran; the numbers are from before.")
    leaks = [leak for leak in (report.get("data") or {}).get("leakage") or [] if leak.get("shared")]
    if leaks:
        shared = listed(count(leak["shared"], kinds_of_copies.get(leak["kind"], leak["kind"])) for leak in leaks)
        stand = "stands" if sum(leak["shared"] for leak in leaks) == 1 else "stand"
        found.append(f"{shared} {stand} in training and test of one fold: the results may be better than on others.")
    return found + list(dict.fromkeys(str(note) for case in report["cases"] for note in case.get("notes") or []))
