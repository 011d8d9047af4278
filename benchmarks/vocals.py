"""What separation costs: ``python benchmarks/vocals.py [FILE …]``.

Prints CPU seconds per second of audio of ``vocals-spleeter`` beside those of a bare loop of its two nets between the
Fourier transforms of whole tracks, and of the nets alone; and how much memory a process takes for 20 minutes of
stereo. It needs ``mirstore weights fetch spleeter-2stems``.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mirstore.core import Audio, Track
from mirstore.core.columns import check_rows
from mirstore_vocals import VocalsSpleeter
from mirstore_vocals.stems import sr, stereo
from mirstore_vocals.unet import bins, estimate, frame, frames, hop

if TYPE_CHECKING:
    from mirstore_vocals.unet import Net

clips = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.ogg"))[::8]


def seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


@torch.inference_mode()
def bare(nets: dict[str, Net], samples: np.ndarray) -> list[torch.Tensor]:
    """Separate a track at once, as one would write it in a notebook: no blocks, no bound of memory."""
    window = torch.hann_window(frame)
    n = samples.shape[1]
    longer = -(-(n // hop + 1) // frames) * frames * hop - hop - n  # to whole patches
    heard = torch.nn.functional.pad(torch.from_numpy(samples), (0, longer))
    spectra = torch.stft(heard, frame, hop, window=window, return_complex=True)
    patches = spectra[:, :bins].abs().transpose(1, 2).split(frames, dim=1)
    powers = [torch.cat([estimate(net, patch[None])[0] ** 2 for patch in patches], 1) for net in nets.values()]
    made = []
    for power in powers:
        masked = spectra.clone()
        masked[:, :bins] *= (power / (sum(powers) + 1e-10)).transpose(1, 2)
        masked[:, bins:] = 0
        made.append(torch.istft(masked, frame, hop, window=window, length=n))
    return made


@torch.inference_mode()
def nets_alone(nets: dict[str, Net], patches: int) -> None:
    patch = torch.rand(1, 2, frames, bins)
    for _ in range(patches):
        for net in nets.values():
            estimate(net, patch)


def twenty_minutes() -> None:
    """Print the memory that this process took at most."""
    samples = np.random.default_rng(0).standard_normal((2, 1200 * sr), np.float32)
    samples *= 0.1
    samples.flags.writeable = False
    track = Track("0" * 64, Path("a.wav"), recording=Audio(samples, sr, "pcm", "none", ("FL", "FR")))
    extractor = VocalsSpleeter()
    check_rows(extractor.extract(track), extractor.columns(), track)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)


if __name__ == "__main__":
    if sys.argv[1:] == ["20-minutes"]:
        sys.exit(twenty_minutes())
    extractor = VocalsSpleeter()
    tracks = [Track(name.name, name) for name in map(Path, sys.argv[1:] or clips)]
    length = sum(track.duration for track in tracks)
    heard = [np.array(stereo(track)) for track in tracks]
    extractor.extract(tracks[0])  # imports and weights, once per process
    ours, theirs = [], []
    for _ in range(3):
        ours.append(seconds(lambda: [extractor.extract(track) for track in tracks]) / length)
        theirs.append(seconds(lambda: [bare(extractor.nets, samples) for samples in heard]) / length)
    patches = sum(-(-(samples.shape[1] + frame) // (frames * hop)) for samples in heard)
    alone = seconds(lambda: nets_alone(extractor.nets, patches)) / length
    print(f"vocals-spleeter  {min(ours):.3f} CPU-s per second of {len(tracks)} clips of {length / len(tracks):.0f} s")
    print(f"a bare loop      {min(theirs):.3f}: {min(ours) / min(theirs):.2f}; the two nets alone {alone:.3f}")
    most = subprocess.run([sys.executable, __file__, "20-minutes"], capture_output=True, check=True, text=True).stdout
    print(f"20 minutes       {int(most) / 2**30:.2f} GB at most, {extractor.memory / 2**30:.0f} declared")
