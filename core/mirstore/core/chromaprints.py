"""Chromaprint fingerprints: reading them, and finding recordings that sound the same.

A fingerprint is one number of 32 bits per 0.124 s of music. Two copies of a recording share many of them exactly, or
nearly, at one alignment: after another codec, another level, some milliseconds cut off. Other recordings do not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

_ones = np.array([byte.bit_count() for byte in range(256)], np.uint8)


def decode(text: str) -> np.ndarray:
    """Return a fingerprint's numbers [shape=(n,), dtype=uint32] from its usual compressed form in base64.

    Each number is stored as its difference (exclusive or) from the one before: the distances between its bits that
    are set, ended by 0, in 3 bits each; 7 means that 5 more bits are to be added.

    Parameters
    ----------
    text : str
        Base64 of the alphabet for addresses, with or without ``=`` at its end.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        data = np.frombuffer(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"fingerprint is not base64: {error}") from None
    if len(data) < 4:
        raise ValueError("fingerprint is too short")
    count = int(data[1]) << 16 | int(data[2]) << 8 | int(data[3])
    bits = np.unpackbits(data[4:], bitorder="little")
    steps = _numbers(bits, 3)
    ends = np.flatnonzero(steps == 0)
    if not count:
        return np.zeros(0, np.uint32)
    if len(ends) < count:
        raise ValueError(f"fingerprint is cut: {len(ends)} of {count} numbers")
    steps = steps[: ends[count - 1] + 1].astype(np.int64)
    far = np.flatnonzero(steps == 7)
    more = _numbers(bits[-(-3 * len(steps) // 8) * 8 :], 5)
    if len(more) < len(far):
        raise ValueError("fingerprint is cut")
    steps[far] += more[: len(far)]
    number = np.cumsum(steps == 0) - (steps == 0)  # which number each step is of
    total = np.cumsum(steps)
    before = np.concatenate([[0], total[ends[: count - 1]]])  # of the steps of earlier numbers
    bit = (total - before[number])[steps > 0] - 1
    if bit.size and bit.max() > 31:
        raise ValueError("fingerprint has bits beyond 32")
    differences = np.zeros(count, np.uint32)
    np.bitwise_or.at(differences, number[steps > 0], np.uint32(1) << bit.astype(np.uint32))
    return np.bitwise_xor.accumulate(differences)


def _numbers(bits: np.ndarray, width: int) -> np.ndarray:
    whole = len(bits) // width * width
    return bits[:whole].reshape(-1, width) @ (1 << np.arange(width)).astype(np.uint8)


most_shared = 32  # tracks; a number that more have says nothing: silence, a drone
fewest_shared = 2  # numbers at one alignment that make two tracks worth comparing
least_overlap = 20  # numbers: 2.5 s
least_share = 0.8  # of the shorter fingerprint, that the two have in common
largest_error = 0.2  # share of bits that differ; other recordings differ by 0.35 or more


def find_copies(prints: Mapping[str, np.ndarray], new: Collection[str] | None = None) -> list[tuple[str, str, float]]:
    """Return which tracks sound the same.

    Not all pairs are compared, but those that share some numbers exactly, at one alignment: the numbers are sorted, so
    that 20,000 tracks take seconds.

    Parameters
    ----------
    prints : Mapping of str to np.ndarray [shape=(n,), dtype=uint32]
        Track to fingerprint.
    new : collection of str, optional
        Tracks of which at least one is in each pair; all by default.

    Returns
    -------
    list of (str, str, float)
        Two tracks, in the order of ``prints``, and the share of bits in which they differ at the best alignment.
    """
    tracks = list(prints)
    wanted = np.array([new is None or track in new for track in tracks], bool)
    found = []
    for a, b, shift in _candidates([prints[track] for track in tracks], wanted):
        error = min(_error(prints[tracks[a]], prints[tracks[b]], shift + step) for step in (-1, 0, 1))
        if error <= largest_error:
            found.append((tracks[a], tracks[b], error))
    best: dict[tuple[str, str], float] = {}
    for a_track, b_track, error in found:
        best[a_track, b_track] = min(error, best.get((a_track, b_track), 1.0))
    return [(*pair, error) for pair, error in best.items()]


def _candidates(prints: Sequence[np.ndarray], wanted: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of tracks and how many numbers later the second one begins."""
    owner = np.repeat(np.arange(len(prints), dtype=np.int32), [len(print_) for print_ in prints])
    if not owner.size:
        return
    number = np.concatenate(prints)
    place = np.concatenate([np.arange(len(print_), dtype=np.int32) for print_ in prints])
    key = number.astype(np.uint64) << np.uint64(32) | owner.astype(np.uint64)
    _, first = np.unique(key, return_index=True)  # sorted by number, then track; where a number comes first in a track
    number, owner, place = number[first], owner[first], place[first]
    starts = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
    sizes = np.diff(np.concatenate([starts, [len(number)]]))
    left = np.repeat(starts + sizes, sizes) - np.arange(len(number))  # entries of the same number from here on
    left[np.repeat(sizes > most_shared, sizes)] = 0
    votes = []
    for lag in range(1, most_shared):
        here = np.flatnonzero(left > lag)
        if not here.size:
            break
        a, b = owner[here], owner[here + lag]
        keep = wanted[a] | wanted[b]
        shift = place[here] - place[here + lag]
        votes.append(np.stack([a[keep], b[keep], shift[keep]], axis=1))
    if not votes:
        return
    pairs, counts = np.unique(np.concatenate(votes), axis=0, return_counts=True)
    for a, b, shift in pairs[counts >= fewest_shared].tolist():
        yield a, b, shift


def _error(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Return the share of bits that differ where the two overlap, 1 if that is too short to tell."""
    x, y = (a[shift:], b) if shift >= 0 else (a, b[-shift:])
    n = min(len(x), len(y))
    if n < max(least_overlap, least_share * min(len(a), len(b))):
        return 1.0
    return int(_ones[(x[:n] ^ y[:n]).view(np.uint8)].sum(dtype=np.int64)) / (32 * n)
