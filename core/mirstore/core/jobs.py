"""What goes to a worker, and what comes back: plain values that pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirstore.core.bucket import Bucket
    from mirstore.core.recording import Audio

Believed = frozenset[tuple[str, str]]
"""Failures that are the extractor's own: ids of feature sets with the short word of the error."""


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
        Ids of the feature sets to compute, each after its inputs.
    given : Mapping of str to rows
        Rows of feature sets that are there already and that some of `features` read, by id. Of tensors and sounds they
        hold a `Reference`.
    folder : pathlib.Path or None
        Where the worker writes tensors and sounds, made when it is needed; `Outcome.rows` then refer to them. None
        leaves them in the rows.
    hand_on : frozenset of str
        Ids of feature sets that are not kept, but are read by others outside the worker.
    bucket : Bucket or None
        Of a store whose folder the worker does not see: `folder` and the references in `given` are relative to it then,
        see `mirstore.core.away`.
    decode : bool
        Whether to decode the file even if nothing that is computed reads it: for what that tells about it.
    """

    track: str
    path: Path
    features: tuple[str, ...]
    given: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    folder: Path | None = None
    hand_on: frozenset[str] = frozenset()
    bucket: Bucket | None = None
    decode: bool = False


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
        As declared by the extractor's columns; none of a feature set that is not kept, unless it is handed on.
    error, message : str or None
        A short stable word, and a sentence, if it failed.
    seconds : float
        Time spent on it.
    doubtful : bool
        Whether it failed in a way that another extractor in the same worker may have caused.
    """

    feature: str
    status: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    message: str | None = None
    seconds: float = 0.0
    doubtful: bool = False

    @property
    def can_be_read(self) -> bool:
        """Whether its rows are here for what reads them: those of a feature set that is not kept stay in the worker."""
        return self.status == "none" or bool(self.rows)


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

    @classmethod
    def of(cls, audio: Audio | None) -> AudioFacts | None:
        """Return what is known of audio, None if none was decoded.

        Parameters
        ----------
        audio : Audio or None
        """
        if audio is None:
            return None
        known = audio.sr, audio.channels, audio.duration, audio.codec, audio.decoder, audio.warnings
        return cls(*known, audio.samples_sha256)


@dataclass(frozen=True)
class Done:
    """A job with its outcomes; ``facts`` is None where no audio was decoded, ``error`` says why it could not be."""

    job: Job
    facts: AudioFacts | None
    outcomes: list[Outcome]
    error: tuple[str, str] | None = None
