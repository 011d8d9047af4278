"""What MusiCNN and VGG cost, to hear and to learn: ``python benchmarks/musicnn.py``.

Both extractors beside a bare loop over the same patches; a step of learning with the channels of a pixel side by side
and without; an epoch over a store's packs beside one over arrays in memory; and what learning needs at its peak, of few
tracks and of many. One thread, as in a worker; CPU time, the least of some rounds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from mirstore.core import Arrays, Examples, Tensors, Track
from mirstore.core.columns import input_frame
from mirstore.core.experiment_entries import ChunkEntry
from mirstore.core.experiments.assembly import without_columns
from mirstore.core.experiments.chunks import cut
from mirstore.store.lake.tensors import TensorReader, write_pack
from mirstore_musicnn import MelMusicnn, MusicnnPatches, VggModel, VggTags
from mirstore_musicnn.net import VGG, MusiCNN

column = "mel-musicnn.mel"
per_pack = 16
rng = np.random.default_rng(440)


def mel(patches: int) -> np.ndarray:
    """Return what might be a mel-spectrogram of so many patches."""
    return np.abs(rng.normal(1, 0.5, (96, 187 * patches))).astype(np.float16)


def least(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the least CPU time [s] of each, in turns: another load on the machine meets all of them."""
    found = []
    for _ in range(rounds):
        found.append([])
        for call in calls:
            begun = time.process_time()
            call()
            found[-1].append(time.process_time() - begun)
    return [min(times) for times in zip(*found, strict=True)]


def hearing(patches: int = 10) -> None:
    """Compare extractors with a loop of nothing but the network."""
    spectrogram = mel(patches)
    rows = input_frame([{"mel": spectrogram}], MelMusicnn().columns())
    track = Track("x", None, {"mel-musicnn": rows})
    for extractor, what in ((MusicnnPatches(), "embedding"), (VggTags(), "forward")):
        given = [torch.from_numpy(part.astype(np.float32))[None] for part in np.split(spectrogram, patches, axis=1)]
        net = partial(bare, getattr(extractor.net, what), given)
        ours, loop = least(5, partial(extractor.extract, track), net)
        name, seconds = extractor.name, 2.992 * patches
        print(f"{name:<16} {ours / seconds:.4f} CPU-s per second, {ours / loop:.2f} × the bare network")


def bare(say: Callable[[torch.Tensor], torch.Tensor], patches: list[torch.Tensor]) -> None:
    """Ask the network alone."""
    with torch.inference_mode():
        for patch in patches:
            say(patch)


def learning(examples: int = 8) -> None:
    """Compare steps of learning with both orders of the numbers in memory."""
    given = torch.rand(examples, 96, 187)
    for kind in (MusiCNN, VGG):
        steps = []
        for order in (torch.contiguous_format, torch.channels_last):
            net = kind(10)
            net.to(memory_format=order)  # type: ignore[call-overload]
            steps.append(lambda net=net: net(given).sum().backward())
        plain, last = least(3, *steps)
        print(
            f"{kind.__name__:<16} {plain / examples:.3f} CPU-s per patch and step, channels last {last / examples:.3f}"
        )


def stored(folder: Path, spectrograms: Iterable[np.ndarray]) -> Tensors:
    """Return tensors that lie in packs, as those of a store do."""
    references, numbered = list[dict[str, object]](), enumerate(spectrograms)
    while arrays := {str(number): array for number, array in islice(numbered, per_pack)}:
        pack, _ = write_pack(folder, arrays)
        for key, array in arrays.items():
            references.append({"pack": pack, "key": key, "dtype": "float16", "shape": list(array.shape)})
    return TensorReader(folder, [str(n) for n in range(len(references))], references, [None] * len(references), 0.016)


def patches_of(tensors: Tensors) -> Examples:
    chunks = cut({column: tensors}, ChunkEntry(seconds=2.992))
    labels = np.eye(2)[chunks.rows % 2]
    return Examples(without_columns(len(labels)), ("a", "b"), labels, chunks.tensors, exclusive=True)


def fit(examples: Examples, **params: float) -> None:
    VggModel(epochs=1, **params).fit(examples, {"all": [column]}, 0)  # type: ignore[arg-type]


def reading(folder: Path, tracks: int = 32) -> None:
    """Compare an epoch over packs with one over memory."""
    spectrograms = [mel(10) for _ in range(tracks)]
    packed, there = patches_of(stored(folder, spectrograms)), patches_of(Arrays(spectrograms, hop=0.016))
    for width in (0.125, 0.25):
        ours, memory = least(3, *(partial(fit, given, width=width) for given in (packed, there)))
        print(f"epoch, width {width:<5} {100 * memory / ours:.0f} % of the speed of arrays in memory")
    (ours, memory) = least(3, *(lambda given=given: [*given.tensors[column]] for given in (packed, there)))
    print(
        f"reading          {1e6 * ours / len(packed):.0f} µs per patch from packs, {1e6 * memory / len(packed):.0f} µs"
    )


def peak(tracks: int) -> None:
    """Print what an epoch over so many tracks of three patches needs at its peak [MB]."""
    with TemporaryDirectory() as folder:
        fit(patches_of(stored(Path(folder), (mel(3) for _ in range(tracks)))), width=0.03)
    for line in Path("/proc/self/status").read_text().splitlines():  # ru_maxrss begins with that of the parent
        if line.startswith("VmHWM"):
            print(f"{tracks:<5} tracks      {int(line.split()[1]) >> 10} MB at the peak of learning")


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        peak(int(sys.argv[1]))
        return
    hearing()
    learning()
    with TemporaryDirectory() as folder:
        reading(Path(folder))
    for tracks in (50, 800):
        subprocess.run([sys.executable, __file__, str(tracks)], check=True)


if __name__ == "__main__":
    main()
