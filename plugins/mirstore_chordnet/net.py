"""The network: convolutions over a constant-Q spectrogram, a recurrent layer in both directions, six answers a frame.

Ten convolutions, each normalised over its whole spectrogram, halve nothing in time and shrink 252 bins to 3 (Jiang et
al. 2019). The sizes of all layers are those of the arrays that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mirstore_chordnet.vocabulary import sizes

if TYPE_CHECKING:
    import torch

sr, hop = 22050, 512
lowest, bins, per_octave = "F#0", 288, 36
_heard = slice(18, 270)  # of these bins; the rest is what training moved up and down by
_pooled = {"1c": 3, "2c": 3, "3b": 4}  # bins that are one after a convolution
_unpadded = ("4a", "4b")  # in frequency
_convolutions = ("1a", "1b", "1c", "2a", "2b", "2c", "3a", "3b", "4a", "4b")


class Net:
    """One network.

    Parameters
    ----------
    arrays : Mapping of str to np.ndarray
        Its weights by their names.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        import torch

        self.weights = {name: torch.from_numpy(array) for name, array in arrays.items()}
        recurrent = {name.removeprefix("lstm1."): self.weights[name] for name in arrays if name.startswith("lstm1.")}
        hidden, size = recurrent["weight_hh_l0"].shape[1], recurrent["weight_ih_l0"].shape[1]
        self.recurrent = torch.nn.LSTM(size, hidden, batch_first=True, bidirectional=True)
        self.recurrent.load_state_dict(recurrent)

    def __call__(self, spectrogram: np.ndarray) -> list[torch.Tensor]:
        """Return the log probabilities of each question's answers [six of shape=(frames, answers)].

        Parameters
        ----------
        spectrogram : np.ndarray [shape=(frames, 288), dtype=float32]
            As `heard` gives it.
        """
        import torch
        from torch.nn import functional

        with torch.inference_mode():
            x = torch.from_numpy(spectrogram[None, None, :, _heard])  # (1, 1, frames, 252)
            for name in _convolutions:
                x = functional.conv2d(x, *self._layer(f"audio_feature_block.conv{name}"), padding=_padding(name))
                x = functional.selu_(functional.instance_norm(x))
                x = functional.max_pool2d(x, (1, _pooled[name])) if name in _pooled else x
            features = x.transpose(1, 2).flatten(2)  # (1, frames, 240)
            found = self.recurrent(features)[0][0]  # (frames, 192)
            answers = functional.linear(found, *self._layer("final_fc1"))
            return [functional.log_softmax(part, dim=1) for part in torch.split(answers, list(sizes), dim=1)]

    def _layer(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]


def _padding(name: str) -> tuple[int, int]:
    return (1, 0) if name in _unpadded else (1, 1)


def heard(y: np.ndarray) -> np.ndarray:
    """Return the constant-Q spectrogram of a signal, tuned to it [shape=(frames, 288), dtype=float32].

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        22.05 kHz.
    """
    import librosa

    spectrogram = librosa.hybrid_cqt(
        y,
        sr=sr,
        hop_length=hop,
        fmin=librosa.note_to_hz(lowest),
        n_bins=bins,
        bins_per_octave=per_octave,
        tuning=None,
    )
    return np.ascontiguousarray(np.abs(spectrogram).T, dtype=np.float32)


def answers(spectrogram: np.ndarray, nets: Sequence[Net]) -> list[np.ndarray]:
    """Return the log of the mean probability of each question's answers [six of shape=(frames, answers)].

    Parameters
    ----------
    spectrogram : np.ndarray [shape=(frames, 288), dtype=float32]
    nets : sequence of Net
    """
    import torch

    each = [net(spectrogram) for net in nets]
    means = [torch.logsumexp(torch.stack(same), dim=0) - np.log(len(nets)) for same in zip(*each, strict=True)]
    return [mean.numpy() for mean in means]
