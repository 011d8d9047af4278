"""Three families in five bands: spectral flux, band energy and spectral flatness.

SAMAT names the bands low, middle-low, middle, middle-high and high and does not publish their edges. Four are the
bands of MusicExtractor's ``spectral_energyband_*`` (20, 150, 800, 4000, 20000 Hz), so those columns are equal to
its own. The fifth, middle, is not among them; here it reaches one octave to either side of their common edge at
800 Hz, so it overlaps its two neighbours and is no sum of others.
"""

from __future__ import annotations

import numpy as np

from mirstore_essentia.spectra import sr

bands = {
    "low": (20.0, 150.0),
    "middle_low": (150.0, 800.0),
    "middle": (400.0, 1600.0),
    "middle_high": (800.0, 4000.0),
    "high": (4000.0, 20000.0),
}
"""Band name to its edges [Hz]."""

floor_db = 60.0
"""How far below a frame's largest power a bin counts as no lower, and below the track's a frame as no louder [dB]."""

whole = (20.0, 20000.0)
"""The edges of the column without a band's name [Hz]; flux takes all bins, as MusicExtractor does."""


def bins(edges: tuple[float, float], size: int) -> slice:
    """Return a band's bins in a spectrum of ``size`` bins from 0 to 22.05 kHz, essentia's rounding, without DC.

    Parameters
    ----------
    edges : (float, float) [Hz]
    size : int > 1
    """
    first, last = (int(edge / (sr / 2) * (size - 1) + 0.5) for edge in edges)
    return slice(max(first, 1), max(last, 1) + 1)


def flux(magnitude: np.ndarray) -> dict[str, float]:
    """Return the mean L2 norm of the change from frame to frame (Tzanetakis and Cook 1999), in bins and in bands.

    Parameters
    ----------
    magnitude : np.ndarray [shape=(frames, bins)]
        The first frame is compared with silence, as essentia's Flux does.
    """
    change = np.square(np.diff(magnitude, axis=0, prepend=np.zeros_like(magnitude[:1])))
    row = {"spectral_flux": float(np.sqrt(change.sum(axis=1)).mean())}
    for name, edges in bands.items():
        inside = change[:, bins(edges, change.shape[1])]
        row[f"spectral_flux_{name}"] = float(np.sqrt(inside.sum(axis=1)).mean())
    return row


def energies(power: np.ndarray) -> dict[str, float]:
    """Return the mean energy of the bins in each band; without a band's name: the mean of the five.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bins)]
    """
    size = power.shape[1]
    values = {name: float(power[:, bins(edges, size)].sum(axis=1).mean()) for name, edges in bands.items()}
    row = {f"spectral_energyband_{name}": value for name, value in values.items()}
    return {"spectral_energyband": sum(values.values()) / len(values)} | row


def flatness(power: np.ndarray) -> dict[str, float | None]:
    """Return geometric over arithmetic mean of the power in each band, mean over the frames that sound in it.

    It is 1 for a flat spectrum, about 0.56 for white noise (its periodogram is exponentially distributed, so
    exp(-0.577)), 0 for a tone (Johnston 1988; mirflatness of MIRtoolbox). Power below a floor, 60 dB under the frame's
    largest, counts as the floor: what is far below the music is rounding noise and what a codec left, and a geometric
    mean would be made of it. A frame sounds in a band if the mean power there is above the floor; None if none does.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bins)]
    """
    peaks = power.max(axis=1, keepdims=True)
    floor = np.maximum(peaks, peaks.max() * 10 ** (-floor_db / 10)) * 10 ** (-floor_db / 10)
    floored = np.maximum(power, floor)
    logs = np.log(np.maximum(floored, np.finfo(np.float32).tiny))

    def mean(edges: tuple[float, float]) -> float | None:
        band = bins(edges, power.shape[1])
        sounds = power[:, band].mean(axis=1) > floor[:, 0]
        ratio = np.exp(logs[sounds, band].mean(axis=1)) / floored[sounds, band].mean(axis=1)
        return float(ratio.mean()) if len(ratio) else None

    row = {f"spectral_flatness_{name}": mean(edges) for name, edges in bands.items()}
    return {"spectral_flatness": mean(whole)} | row
