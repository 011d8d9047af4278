"""What goes to a worker, and what comes back: plain values that pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """What to compute for one track.

    Attributes
    ----------
    track : str
        Its id.
    path : pathlib.Path
        Its file.
    features : tuple of str
        Ids of the feature sets to compute, each after its inputs; none checks that the audio is usable.
    given : Mapping of str to rows
        Rows of feature sets that are there already and that some of `features` read, by id.
    """

    track: str
    path: Path
    features: tuple[str, ...]
    given: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """One track's result for one feature set.

    Attributes
    ----------
    feature : str
        The feature set's id.
    status : str
        ``"ok"``, ``"none"`` (no rows, for a good reason) or ``"failed"``.
    rows : list of dict
        As declared by the extractor's columns.
    error, message : str or None
        A short stable word, and a sentence, if it failed.
    seconds : float
        Time spent on it.
    """

    feature: str
    status: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    message: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class AudioFacts:
    """What decoding told about a file; ``samples`` is `Audio.samples_sha256`."""

    sr: int
    channels: int
    duration: float
    codec: str
    decoder: str
    warnings: tuple[str, ...]
    samples: str


@dataclass(frozen=True)
class Done:
    """A job with its outcomes; ``facts`` is None where no audio was decoded, ``error`` says why it could not be."""

    job: Job
    facts: AudioFacts | None
    outcomes: list[Outcome]
    error: tuple[str, str] | None = None
