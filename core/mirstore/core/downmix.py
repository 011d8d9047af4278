"""From many channels to one: ITU-R BS.775, whatever decoded them.

Left and right of BS.775-3, table 2 (downward mixing to two channels) are

    L' = L + 0.7071 C + 0.7071 Ls        R' = R + 0.7071 C + 0.7071 Rs

with the low-frequency channel left out, and mono is the mean of the two, as it is for stereo. So music in the front
channels of a 5.1 file has the level that it has in a stereo file. Nothing is scaled down afterwards: peaks may pass ±1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_half = 0.5**0.5
_mono = {
    "FL": 0.5,
    "FR": 0.5,
    "DL": 0.5,  # what somebody mixed down before
    "DR": 0.5,
    "FLC": 0.5,
    "FRC": 0.5,
    "FC": _half,
    "BL": 0.5 * _half,
    "BR": 0.5 * _half,
    "SL": 0.5 * _half,
    "SR": 0.5 * _half,
    "BC": 0.5,  # to both sides, each at half its power
    "LFE": 0.0,
    "LFE2": 0.0,
}
_usual = {
    1: ("FC",),
    2: ("FL", "FR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def mono_weights(layout: Sequence[str]) -> np.ndarray:
    """Return what each channel counts in the mono mix [shape=(channels,), dtype=float32].

    Parameters
    ----------
    layout : sequence of str
        FFmpeg's names of the channels, in order; a name that BS.775 does not know makes it the plain mean.

    Examples
    --------
    >>> mono_weights(["FL", "FR"]).tolist()
    [0.5, 0.5]
    >>> [round(weight, 3) for weight in mono_weights(["FL", "FR", "FC", "LFE", "BL", "BR"]).tolist()]
    [0.5, 0.5, 0.707, 0.0, 0.354, 0.354]
    """
    if len(layout) > 2 and is_known(layout):
        return np.array([_mono[name] for name in layout], np.float32)
    return np.full(len(layout), 1 / len(layout), np.float32)


def is_known(layout: Sequence[str]) -> bool:
    """Say whether every channel has a place in the downmix.

    Parameters
    ----------
    layout : sequence of str
        FFmpeg's names of the channels.

    Examples
    --------
    >>> is_known(["FL", "FR", "FC"]), is_known(["FL", "", ""]), is_known(["LFE"])
    (True, False, False)
    """
    return all(name in _mono for name in layout) and any(_mono[name] for name in layout)


def name_channels(layout: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the layout to use, and a warning where it had to be assumed.

    Mono and stereo need no names. Five, six and eight channels without names are taken in the order of WAVE and
    FLAC; three, four and seven could be several things.

    Parameters
    ----------
    layout : sequence of str
        One name per channel; empty where a file does not say.

    Returns
    -------
    (tuple of str, str)
        As many names as channels; the warning is empty if there is nothing to say.

    Examples
    --------
    >>> name_channels(["", "", "", "", "", ""])
    (('FL', 'FR', 'FC', 'LFE', 'BL', 'BR'), 'its 6 channels have no names: taken as FL FR FC LFE BL BR')
    """
    layout = tuple(layout)
    if is_known(layout):
        return layout, ""
    usual = _usual.get(len(layout))
    if usual is None or any(name in _mono for name in layout):
        return layout, f"its {len(layout)} channels are of no known layout: mono is their mean"
    return usual, f"its {len(layout)} channels have no names: taken as {' '.join(usual)}" if len(layout) > 2 else ""
