"""From the answers of each frame to the sequence of chords that is likeliest as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def scores(answers: Sequence[np.ndarray], chords: np.ndarray) -> np.ndarray:
    """Return how likely each frame finds each chord [shape=(frames, k)], as a logarithm that is not normalised.

    Parameters
    ----------
    answers : six np.ndarray [shape=(frames, answers)]
        Log probabilities of each question's answers.
    chords : np.ndarray [shape=(k, 6)]
        Which answers each chord takes; -1 where it is not asked.
    """
    found = np.zeros((len(answers[0]), len(chords)))
    for question, taken in zip(answers, chords.T, strict=True):
        asked = taken >= 0
        found[:, asked] += question[:, taken[asked]]
    return found


def posteriors(found: np.ndarray) -> np.ndarray:
    """Return the probability of each chord among all in each frame [shape=(frames, k)].

    Parameters
    ----------
    found : np.ndarray [shape=(frames, k)]
        As `scores` gives them.
    """
    likely = np.exp(found - found.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


def likeliest(found: np.ndarray, penalty: float) -> np.ndarray:
    """Return the chord of each frame [shape=(frames,)] in the best sequence, which begins with none.

    Parameters
    ----------
    found : np.ndarray [shape=(frames, k)]
        As `scores` gives them.
    penalty : float >= 0
        What each change of chord costs, as a logarithm, whatever follows on whatever.
    """
    frames, k = found.shape
    best, came_from = np.full(k, -np.inf), np.zeros((frames, k), np.int16)
    best[0] = found[0, 0]
    for frame in range(1, frames):  # a change is best from the best chord, so a frame costs k steps and not k squared
        leader = int(best.argmax())
        changed = best[leader] - penalty
        came_from[frame] = np.where(best > changed, np.arange(k), leader)
        best = np.maximum(best, changed) + found[frame]
    path = np.zeros(frames, np.int64)
    path[-1] = best.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path
