"""How far features move by what should not matter: ``python benchmarks/robustness.py EXTRACTOR …``.

Prints ``docs/robustness.md``: one table per extractor, a row per column and a column per change of the bundled clips.
Takes four minutes of CPU for the four extractors of that page. Text counts by the share of clips that change theirs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import soxr
from costs import run  # also keeps numpy to one thread, so it comes before what counts them

from mirstore.core.audio import decode
from mirstore.core.columns import Column, Row
from mirstore.core.features import FeatureSet, in_order
from mirstore.core.plugins import Plugins
from mirstore.core.recording import Audio
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.tracks import Track

clips = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.ogg"))
seen = 0.05  # smaller moves are left out

Samples = np.ndarray  # [shape=(channels, n)]
Change = Callable[[Samples, int], tuple[Samples, int]]  # with the sampling rate [Hz]


def edited(function: Callable[[Samples, int], Samples]) -> Change:
    """Return a change that keeps the rate."""
    return lambda samples, sr: (function(samples, sr), sr)


def resampled(rate: int) -> Change:
    """Return a change that resamples to ``rate`` [Hz]."""
    return lambda samples, sr: (soxr.resample(samples.T, sr, rate).T, rate)


def rounded(bits: int) -> Change:
    """Return a change that rounds to integers of so many bits."""
    top = 2 ** (bits - 1)
    return edited(lambda samples, sr: np.clip(np.round(samples * top), -top, top - 1) / top)


def coded(container: str, codec: str, rate: int) -> Change:
    """Return a change that FFmpeg encodes at 64 kbit/s, and that is decoded as any file is."""

    def change(samples: Samples, sr: int) -> tuple[Samples, int]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"clip.{container}"
            encode(path, codec, soxr.resample(samples.T, sr, rate).T, rate)
            audio = decode(path)
            return audio.samples, audio.sr

    return change


def encode(path: Path, codec: str, samples: Samples, sr: int) -> None:
    """Write samples with an encoder of FFmpeg."""
    import av

    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, rate=sr, layout=layout, bit_rate=64_000)
        assert isinstance(stream, av.AudioStream)
        pour = av.AudioResampler(stream.format, layout, sr, frame_size=stream.codec_context.frame_size or 1152)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), "fltp", layout)
        frame.sample_rate = sr
        for part in [*pour.resample(frame), *pour.resample(None), None]:
            file.mux(stream.encode(part))


half = "first half"  # the one change that changes the music
changes: dict[str, Change] = {
    "-20 dB": edited(lambda samples, sr: samples / 10),
    "2 s of silence": edited(lambda samples, sr: np.pad(samples, ((0, 0), (2 * sr, 2 * sr)))),
    "offset .05": edited(lambda samples, sr: samples + 0.05),
    "22 kHz": resampled(22050),
    "48 kHz": resampled(48000),
    "mp3": coded("mp3", "libmp3lame", 44100),
    "opus": coded("opus", "libopus", 48000),
    "16 bit": rounded(16),
    "8 bit": rounded(8),
    "mono to stereo": edited(lambda samples, sr: np.repeat(samples[:1], 2, axis=0)),
    "11 ms later": edited(lambda samples, sr: samples[:, round(0.011 * sr) :]),
    half: edited(lambda samples, sr: samples[:, : samples.shape[1] // 2]),
}

head = """\
# How robust the features are

What moves a feature without any change of the music makes a classifier learn files and not music. The tables say how
far each column moves: in standard deviations over the {count} bundled clips (15 s, mono, from Vorbis at 44.1 kHz), as
the median over the clips. {seen:g} and less is left out. A value that a change makes null, or the other way round,
moves infinitely far, and so does one that is the same for all clips. Of text, the share of clips is given whose value
changes. *Worst tenth* is how far a tenth of the clips moves at least, by the worst change but *first half*: medians
hide a tempo that is now and then doubled.

| change | of each clip |
|---|---|
| -20 dB | a tenth of the amplitude |
| 2 s of silence | digital silence before and after it |
| offset .05 | added to all samples, full scale is 1 |
| 22 kHz, 48 kHz | resampled |
| mp3, opus | encoded at 64 kbit/s, as 128 in stereo, and decoded |
| 16 bit, 8 bit | rounded, without dither |
| mono to stereo | the same on both channels |
| 11 ms later | without its first 11 ms |
| first half | its first 7.5 s: what moves here depends on length, or on which music it hears |

`python benchmarks/robustness.py {names}` made this page; it takes any extractor's name.

Some columns of `essentia` depend on length or tempo by their published definition. They stay as they are published;
`essentia-more` has what to use instead:

| column | depends on | instead |
|---|---|---|
| `pulse_clarity` and its bands | length: a pulse of 60 BPM has .6 in 4 s, .9 in 60 s | `pulse_clarity_unbiased` |
| `entropy_clarity` and its bands | tempo: a pulse has .9 at 40 BPM, .5 at 180 BPM | `beat_sharpness` |
| `chords_number_rate` | length: it falls to a half in music twice as long | `chords_diversity` |
| `bpm` | the octave, and in three the beats that are heard | see `bpm_confidence` beside it |"""


def rows(audio: Audio, features: Sequence[FeatureSet]) -> dict[str, Row]:
    """Return what each feature set says of a recording, by name."""
    track, known = Track("0" * 64, Path("in memory"), recording=audio), dict[str, Sequence[Row]]()
    for feature in features:
        known[feature.id] = run(feature, track, known)
    return {feature.name: known[feature.id][0] for feature in features}


def changed(audio: Audio, change: Change) -> Audio:
    """Return a recording with a change."""
    samples, sr = change(audio.samples, audio.sr)
    layout = ("FC",) if len(samples) == 1 else ("FL", "FR")
    return replace(audio, samples=np.ascontiguousarray(samples, np.float32), sr=sr, layout=layout)


def measured(features: Sequence[FeatureSet]) -> dict[str, list[dict[str, Row]]]:
    """Return the rows of all clips, by change; ``""`` is no change."""
    found: dict[str, list[dict[str, Row]]] = {name: [] for name in ("", *changes)}
    for number, path in enumerate(clips, 1):
        print(f"{number} of {len(clips)}: {path.stem}", file=sys.stderr)
        audio = Track(path.name, path).decoded
        found[""].append(rows(audio, features))
        for name, change in changes.items():
            found[name].append(rows(changed(audio, change), features))
    return found


def moved(before: Sequence[object], after: Sequence[object]) -> np.ndarray:
    """Return how far each value moves, in standard deviations of ``before``; 1 or 0 for text [shape=(clips,)]."""
    if any(isinstance(value, str) for value in before):
        return np.array([a != b for a, b in zip(before, after, strict=True)], float)
    a, b = (np.array([np.nan if value is None else value for value in values], float) for values in (before, after))
    distance = np.nan_to_num(np.where(np.isnan(a) & np.isnan(b), 0, np.abs(b - a)), nan=np.inf)
    return distance / np.nanstd(a) if np.nanstd(a) > 0 else np.where(distance > 0, np.inf, 0)


def summary(column: Column, values: Mapping[str, Sequence[object]]) -> list[float]:
    """Return the cells of a column's line: by change, and of the worst tenth of clips by the worst change."""
    moves = {change: moved(values[""], values[change]) for change in changes}
    middle = np.mean if column.dtype == pl.String else np.median
    tenths = (np.quantile(moves[change], 0.9, method="lower") for change in changes if change != half)
    return [*(float(middle(moves[change])) for change in changes), float(max(tenths))]


def table(feature: FeatureSet, found: Mapping[str, Sequence[Mapping[str, Row]]]) -> Iterator[str]:
    """Yield the lines of an extractor's table, what moves most first."""
    lines = {
        name: summary(column, {which: [clip[feature.name][name] for clip in rows] for which, rows in found.items()})
        for name, column in feature.columns.items()
        if is_single(column)
    }
    shown = sorted((name for name in lines if max(lines[name]) > seen), key=lambda name: -max(lines[name][:-1]))
    yield f"\n## {feature.name}\n"
    yield f"Of {len(lines)} columns, {len(lines) - len(shown)} move by {seen:g} at most. The others:\n"
    yield f"| column | {' | '.join(changes)} | worst tenth |"
    yield "|---|" + "--:|" * (len(changes) + 1)
    for name in shown:
        yield f"| `{name}` | {' | '.join(f'{x:.2f}' if x > seen else '' for x in lines[name])} |"
    for limit in (0.5, 1):
        counts = (str(sum(x > limit for x in cells)) for cells in zip(*lines.values(), strict=True))
        yield f"| *columns above {limit:g}* | {' | '.join(counts)} |"


def is_single(column: Column) -> bool:
    """Whether a column holds one number or one text per track."""
    return not column.is_packed and bool(column.dtype == pl.String or column.dtype.is_numeric())


def main() -> None:
    """Print the page."""
    names = sys.argv[1:]
    if not names:
        sys.exit(f"usage: {sys.argv[0]} EXTRACTOR …")
    features = in_order(resolve(names, Registry.load(), Plugins.installed()))
    found = measured(features)
    print(head.format(count=len(clips), seen=seen, names=" ".join(names)))
    for feature in features:
        if feature.name in names:
            print("\n".join(table(feature, found)))


if __name__ == "__main__":
    main()
