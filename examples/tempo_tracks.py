"""Tracks that differ in tempo and in nothing else: ``python examples/tempo_tracks.py FOLDER``.

FOLDER gets ``tracks.csv`` and 84 tracks of 20 s: drums, bass and a pad at 120, 140 or 174 BPM, give or take 2. Sounds,
patterns and levels are drawn from one law for all three, so that nothing but tempo tells them apart. The 24 tracks of
the published split's training part are few on purpose: from 120 of them a network learns to hear tempo in a
mel-spectrogram alone. The same seed gives the same samples.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

sr = 22050  # Hz
seconds = 20.0
tempi = (120, 140, 174)  # BPM
spread = 2.0  # BPM, to both sides
parts = {"train": 8, "test": 20}  # tracks of each tempo

Sound = np.ndarray


def seconds_of(duration: float) -> np.ndarray:
    """Return the times of the samples of a sound [s]."""
    return np.arange(round(duration * sr)) / sr


def kick(rng: np.random.Generator) -> Sound:
    """Return a sine whose pitch falls."""
    t = seconds_of(0.35)
    lowest, highest, fall = rng.uniform(40, 60), rng.uniform(120, 240), rng.uniform(20, 50)
    phase = lowest * t + (highest - lowest) * (1 - np.exp(-fall * t)) / fall
    return np.sin(2 * np.pi * phase) * np.exp(-t * rng.uniform(8, 20))


def snare(rng: np.random.Generator) -> Sound:
    """Return noise above a tone."""
    t = seconds_of(0.25)
    noise = rng.standard_normal(len(t)) * np.exp(-t * rng.uniform(12, 35))
    tone = np.sin(2 * np.pi * rng.uniform(150, 260) * t) * np.exp(-t * rng.uniform(20, 40))
    share = rng.uniform(0.4, 0.9)
    return 0.5 * (share * noise + (1 - share) * tone)


def hat(rng: np.random.Generator) -> Sound:
    """Return noise without its low frequencies."""
    t = seconds_of(0.12)
    noise = np.diff(rng.standard_normal(len(t) + 2), n=2)
    return 0.2 * noise * np.exp(-t * rng.uniform(30, 120))


def bass(rng: np.random.Generator) -> Sound:
    """Return a saw with as many harmonics as its brightness has."""
    t = seconds_of(rng.uniform(0.1, 0.3))
    pitch, harmonics = 55 * 2 ** (rng.integers(-5, 8) / 12), int(rng.integers(3, 20))
    saw = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, harmonics))
    return 0.4 * saw * np.exp(-t * rng.uniform(2, 10))


def pad(rng: np.random.Generator) -> Sound:
    """Return a chord that sounds from beginning to end, and swells at no tempo in particular."""
    t = seconds_of(seconds)
    root = 110 * 2 ** (rng.integers(0, 12) / 12)
    chord = [root * 2 ** (step / 12) for step in (0, rng.integers(3, 5), 7, 12)]
    tones = sum(np.sin(2 * np.pi * tone * t + rng.uniform(0, 6)) / (1 + at) for at, tone in enumerate(chord))
    return tones * (1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.2) * t))


def pattern(rng: np.random.Generator, sure: tuple[int, ...], chance: float) -> np.ndarray:
    """Return in which of 16 steps of a bar a sound is played: always in those, and in others by chance."""
    played = rng.random(16) < chance
    played[list(sure)] = True
    return np.flatnonzero(played)


def track(bpm: float, rng: np.random.Generator) -> np.ndarray:
    """Return a track [shape=(samples,)].

    Parameters
    ----------
    bpm : float > 0
    rng : np.random.Generator
        What its sounds, patterns and levels are drawn from.
    """
    voices = {
        kick: pattern(rng, (0, 4, 8, 12) if rng.random() < 0.75 else (0, 10), 0.08),
        snare: pattern(rng, (4, 12), 0.06),
        hat: pattern(rng, tuple(range(0, 16, int(rng.choice([1, 2, 4])))), 0.1),
        bass: pattern(rng, (0,), rng.uniform(0.2, 0.5)),
    }
    mix = np.zeros(round(seconds * sr))
    step = 60 / bpm / 4
    first = rng.uniform(0, 16 * step)  # the excerpt begins anywhere in a bar
    for voice, steps in voices.items():
        sound = voice(rng) * level(rng, 12)
        for start in starts(steps, step, first):
            part = mix[start : start + len(sound)]
            part += sound[: len(part)]
    mix += 0.15 * pad(rng) * level(rng, 18)
    mix += 0.005 * rng.standard_normal(len(mix)) * level(rng, 20)
    mix = coloured(mix, rng)
    return 0.9 * mix / np.abs(mix).max()


def level(rng: np.random.Generator, least: float) -> float:
    """Return a factor that is at most 1, and at least so many dB below."""
    return 10 ** (-rng.uniform(0, least) / 20)


def coloured(mix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a track through a filter of its own, up to 12 dB to both sides in each octave."""
    spectrum = np.fft.rfft(mix)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(mix), 1 / sr), 40) / 40)
    gains = rng.uniform(-12, 12, 10)
    return np.fft.irfft(spectrum * 10 ** (np.interp(octaves, np.arange(10), gains) / 20), len(mix))


def starts(steps: np.ndarray, step: float, first: float) -> Iterator[int]:
    """Yield the samples at which a sound of a pattern begins.

    Parameters
    ----------
    steps : np.ndarray of int
        From 0 to 15.
    step : float > 0 [s]
        A sixteenth.
    first : float >= 0 [s]
        How much of the first bar is left out.
    """
    for bar in range(int((seconds + first) / (16 * step)) + 1):
        for number in steps:
            at = (16 * bar + number) * step - first
            if 0 <= at < seconds:
                yield round(at * sr)


def main(folder: Path, seed: int = 0) -> None:
    """Write the tracks and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    table = []
    for part, count in parts.items():
        for number in range(count):
            for tempo in tempi:
                bpm = tempo + rng.uniform(-spread, spread)
                name = f"{part}-{tempo}-{number:02}.flac"
                soundfile.write(folder / name, track(bpm, rng), sr)
                table.append({"path": name, "tempo": tempo, "bpm": round(bpm, 2), "split": part})
    with open(folder / "tracks.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    print(f"{folder}: {len(table)} tracks of {seconds:g} s and tracks.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
