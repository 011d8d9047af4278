"""Voice and accompaniment by Demucs, through its own code for loading and applying a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from mirstore.core import Column, Extractor, MirstoreError, Row, Track, UserFile, WebFile, Weights
from mirstore_vocals.publications import rouard
from mirstore_vocals.stems import columns, sr, stereo

if TYPE_CHECKING:
    from demucs.apply import Model

htdemucs = Weights(
    "htdemucs",
    "vocals, drums, bass and other, the Hybrid Transformer Demucs of Rouard et al.",
    '"provided only for scientific purposes", says an author (facebookresearch/demucs issue 327)',
    (
        WebFile(
            "https://huggingface.co/adefossez/HTDemucs/resolve/bf35a81b663819a8255c8fefee17f9d812b786b5/"
            "955717e8.safetensors",
            sha256="d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd",
            bytes=84_025_440,
        ),
    ),
)
own = Weights(
    "htdemucs-own",
    "stems as you trained them, vocals among them",
    "your own",
    (UserFile("htdemucs.safetensors", "a model that you trained with Demucs, as docs/vocals.md says"),),
)
kinds = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs")


@dataclass
class Vocals(Extractor):
    """Voice, and all else that Demucs hears, added up.

    Without its trick of random shifts, so that a track has one result. For a GPU: on one core it takes as long as the
    music plays, of which ``vocals-spleeter`` takes a 25th.

    Parameters
    ----------
    model : {"htdemucs", "own"}
        Weights ``htdemucs``, or those that you added as ``htdemucs-own``.
    """

    name = "vocals"
    version = 1
    cost = 0.9
    cite = (rouard,)
    needs = (htdemucs, own)
    place = "gpu"
    memory = 5 << 30  # for 20 minutes, where it runs on processors
    model: Literal["htdemucs", "own"] = "htdemucs"

    def uses(self) -> tuple[Weights, ...]:
        return (own,) if self.model == "own" else (htdemucs,)

    def columns(self) -> dict[str, Column]:
        return columns()

    @cached_property
    def net(self) -> Model:
        return loaded(self.uses()[0].path())

    def extract(self, track: Track) -> Row:
        import torch
        from demucs.apply import apply_model

        mix = torch.from_numpy(np.array(stereo(track)))
        mean, deviation = mix.mean(0).mean(), mix.mean(0).std() + 1e-8  # as Demucs scales what it hears
        device = "cuda" if torch.cuda.is_available() else "cpu"
        parts = apply_model(self.net, mix.sub_(mean).div_(deviation)[None], shifts=0, device=device)[0]
        parts.mul_(deviation).add_(mean)
        voice = self.net.sources.index("vocals")
        others = [part for at, part in enumerate(parts) if at != voice]
        for other in others[1:]:
            others[0].add_(other)
        return {"vocals": parts[voice].numpy(), "accompaniment": others[0].numpy()}


def loaded(path: Path) -> Model:
    """Return a model that Demucs wrote as safetensors, ready to be applied.

    Parameters
    ----------
    path : path

    Raises
    ------
    MirstoreError
        If it is none, or cannot do what is asked of it.
    """
    from demucs.hf import load_safetensors_model
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        told = file.metadata() or {}
    if told.get("klass") not in kinds or "structure" in told:  # Demucs would import and call whatever stands there
        raise _refusal(path, f"its class is {told.get('klass')!r}, not {' or '.join(kinds)}")
    try:
        net = load_safetensors_model(path).eval()
    except Exception as error:  # anything may stand in its arguments
        raise _refusal(path, f"{type(error).__name__}: {error}") from None
    if "vocals" not in net.sources or len(net.sources) < 2 or (net.samplerate, net.audio_channels) != (sr, 2):
        raise _refusal(
            path, f"it gives {', '.join(net.sources)} with {net.audio_channels} channels at {net.samplerate} Hz"
        )
    return net


def _refusal(path: Path, why: str) -> MirstoreError:
    hint = f"give mirstore weights add {own.name} a model with the source 'vocals', stereo at {sr} Hz"
    return MirstoreError(f"{path} is no model that Demucs can separate vocals with: {why}", hint=hint)
