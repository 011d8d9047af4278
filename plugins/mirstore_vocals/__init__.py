"""Voice and accompaniment, told apart, and what follows from that."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_vocals.htdemucs import Vocals
from mirstore_vocals.share import VocalShare
from mirstore_vocals.speech import VocalsForSpeech
from mirstore_vocals.spleeter import VocalsSpleeter

__all__ = ["VocalShare", "Vocals", "VocalsForSpeech", "VocalsSpleeter"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Vocals, VocalsSpleeter, VocalShare, VocalsForSpeech]
