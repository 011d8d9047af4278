"""The networks as models: which tensors they read, and of which sizes they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from mirstore.core.nets.classifier import Classifier
from mirstore_shortchunk.publications import hsu, won

if TYPE_CHECKING:
    from torch import nn

    from mirstore_shortchunk.tempo import Released, Tempo

_mel = {"mel-spectrogram": (128, None)}
_tempograms = {"autocorrelation tempogram": (384, None), "Fourier tempogram": (193, None)}
_kinds = {"autocorrelation": "autocorrelation tempogram", "fourier": "Fourier tempogram"}


@dataclass
class ShortChunk(Classifier):
    """A network that hears short chunks, which an experiment's ``chunk`` cuts.

    It learns for all epochs and from all tracks, as published; with a ``patience`` it stops by artists that it does not
    learn from. Each row of a tensor is brought to mean 0 and deviation 1 by what is learned from.

    Parameters
    ----------
    channels : int > 0
        Of the first block, by which all layers but those of tempograms are wide: 128 as published, 16 or 32 learn in
        minutes without a GPU.
    dropout : float in [0, 1)
        Share of the units before the last layer that is left out in each step of learning.
    """

    cite = (hsu, won)
    epochs: int = 60
    patience: int | None = None
    batch: int = 32
    channels: int = 128
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 1 or not 0 <= self.dropout < 1:
            raise ValueError("channels is 1 or more, dropout at least 0 and below 1")


def check_frames(shapes: Sequence[tuple[int, ...]]) -> None:
    """Refuse tempograms that cannot be averaged to 50 frames.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Rows and frames of each.

    Raises
    ------
    ValueError
    """
    for rows, frames in shapes:
        if frames < 50 or frames % 50:
            raise ValueError(
                f"it reads tempograms in chunks of 50 frames, or of a multiple of 50, and is given {rows} rows by "
                f"{frames} frames: chunk = {{ seconds = 4.644 }} cuts 200 where a frame is 512 samples at 22,050 Hz"
            )


@dataclass
class ShortChunkResNet(ShortChunk):
    """Short-chunk CNN with residual connections: classes or tags from a mel-spectrogram of 128 bands.

    Seven blocks of convolutions halve bands and frames; of the frames that are left the maximum counts, so that a chunk
    may have any number of them. 200 are published.
    """

    name = "short-chunk-resnet"
    hears = MappingProxyType(_mel)

    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> nn.Module:
        from mirstore_shortchunk.fusion import OfMel

        return OfMel(outputs, self.channels, self.dropout)


@dataclass
class _Fusion(ShortChunk):
    """Both, with the vector that `tempo` makes of the tempograms."""

    hears = MappingProxyType(_mel | _tempograms)
    implementation: Literal["paper", "released"] = "paper"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.implementation not in ("paper", "released"):
            raise ValueError(f"implementation must be 'paper' or 'released', got {self.implementation!r}")

    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> nn.Module:
        from mirstore_shortchunk.fusion import OfBoth

        check_frames(shapes[1:])
        return OfBoth(outputs, self.tempo([rows for rows, _ in shapes[1:]]), self.channels, self.dropout)

    @abstractmethod
    def tempo(self, rows: Sequence[int]) -> Tempo | Released:
        """Return what makes a vector of tempograms of so many rows."""


@dataclass
class ShortChunkLate(_Fusion):
    """Late fusion: classes or tags from a mel-spectrogram and both tempograms, each through convolutions of its own.

    Tempograms of a multiple of 50 frames are averaged to 50, 200 by four: the 50 are the channels of the convolutions.

    Parameters
    ----------
    implementation : {"paper", "released"}
        What is made of the tempograms: 130 numbers, as the paper describes it, or 384, as the authors' code does it, in
        which the convolutions have no effect.
    shared : bool
        Whether the same convolutions go over both tempograms, as in the authors' code.
    """

    name = "short-chunk-late"
    shared: bool = True

    def tempo(self, rows: Sequence[int]) -> Tempo | Released:
        from mirstore_shortchunk.tempo import Released, Tempo

        return Released(rows) if self.implementation == "released" else Tempo(rows, shared=self.shared)


@dataclass
class ShortChunkEarly(_Fusion):
    """Early fusion: classes or tags from a mel-spectrogram, and from both tempograms one above the other.

    Tempograms of a multiple of 50 frames are averaged to 50, 200 by four: the 50 are the channels of the convolutions.

    Parameters
    ----------
    implementation : {"paper", "released"}
        What is made of the tempograms: 130 numbers, as the paper describes it, or 384, as the authors' code does it, in
        which the convolutions have no effect.
    """

    name = "short-chunk-early"

    def tempo(self, rows: Sequence[int]) -> Tempo | Released:
        from mirstore_shortchunk.tempo import Released, Tempo

        return Released(rows, early=True) if self.implementation == "released" else Tempo(rows, early=True)


@dataclass
class TempogramOnly(ShortChunk):
    """Classes or tags from one tempogram, through the layers that it has in late fusion.

    The paper has results of such networks and does not describe them. A tempogram of a multiple of 50 frames is
    averaged to 50, 200 by four.

    Parameters
    ----------
    kind : {"fourier", "autocorrelation"}
        Which tempogram: 193 or 384 rows.
    channels : int > 0
        A quarter of the units before the last layer.
    """

    name = "tempogram-only"
    kind: Literal["fourier", "autocorrelation"] = "fourier"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in _kinds:
            raise ValueError(f"kind must be 'fourier' or 'autocorrelation', got {self.kind!r}")

    @property
    def hears(self) -> Mapping[str, tuple[int | None, int | None]]:
        return {_kinds[self.kind]: _tempograms[_kinds[self.kind]]}

    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> nn.Module:
        from mirstore_shortchunk.fusion import OfTempo

        check_frames(shapes)
        ((rows, _),) = shapes
        return OfTempo(outputs, rows, 4 * self.channels, self.dropout)
