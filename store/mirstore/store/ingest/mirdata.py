"""Datasets that the mirdata package knows, as sources."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mirstore.core.errors import PluginError, UnknownNameError, UsageError
from mirstore.core.experiments.splits import part_name
from mirstore.core.extras import install
from mirstore.store.ingest.source import Source

# How mirdata's loaders call labels and credits; beatport_key's genres are a dict of two label sets.
_label_names = ("genre", "genres", "tag", "tags", "style", "mood", "emotion", "instrument", "instruments", "key")
_number_names = ("tempo",)  # numbers to predict
_credits = {"title": ("title",), "artist": ("artist", "artists", "artist_id"), "album": ("album", "album_id")}


def read_mirdata(name: str, data_home: Path | None = None) -> list[Source]:
    """Return the tracks of the mirdata dataset ``name`` with their labels, credits and splits.

    Parameters
    ----------
    name : str
        As mirdata calls it, e.g. ``gtzan_genre``.
    data_home : path, optional
        Where its files are; mirdata's own default otherwise.

    Raises
    ------
    PluginError
        If mirdata is not installed.
    UnknownNameError
        If mirdata has no dataset of that name.
    UsageError
        If the dataset's index or files are not there.
    """
    try:
        import mirdata
    except ImportError:
        raise PluginError("mirdata is not installed", hint=install("mirdata")) from None
    if name not in mirdata.list_datasets():
        raise UnknownNameError("mirdata dataset", name, mirdata.list_datasets())
    dataset = mirdata.initialize(name, data_home=str(data_home) if data_home else None)
    try:
        tracks = dataset.load_tracks()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"mirdata:{name}: {error}", hint=f"python -c \"import mirdata; mirdata.initialize('{name}').download()\""
        ) from None
    splits = _splits(dataset)
    sources = [_source(track, splits.get(id_, {}), name) for id_, track in tracks.items()]
    return [source for source in sources if source]


def _source(track: Any, splits: dict[str, tuple[int, str]], dataset: str) -> Source | None:
    path = getattr(track, "audio_path", None) or getattr(track, "audio_mic_path", None)
    if path is None:
        return None
    labels: dict[str, list[str]] = {}
    for name in _label_names:
        value = getattr(track, name, None)
        for label_set, content in value.items() if isinstance(value, dict) else [(name, value)]:
            texts = [item.strip() for item in _as_list(content) if isinstance(item, str) and item.strip()]
            if texts:
                labels[label_set.removesuffix("s")] = texts
    credits: dict[str, Any] = {}
    for credit, names in _credits.items():
        texts = [item for name in names for item in _as_list(getattr(track, name, None)) if isinstance(item, str)]
        if texts:
            credits[credit] = texts[0]
    numbers = {name: {name: number} for name in _number_names if (number := _number(getattr(track, name, None)))}
    path = str(Path(path).absolute())
    return Source(path, **credits, labels=labels, targets=numbers, splits=splits, dataset=dataset)


def _number(value: Any) -> float | None:
    """Return a positive number, which some loaders give as text; None of anything else, as 0 for an unknown tempo."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _splits(dataset: Any) -> dict[str, dict[str, tuple[int, str]]]:
    try:
        parts = dataset.get_track_splits()
    except (AttributeError, NotImplementedError):
        return {}
    return {id_: {"mirdata": (0, part_name(str(part)) or str(part))} for part, ids in parts.items() for id_ in ids}
