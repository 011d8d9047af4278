"""What is sung or spoken, in words with times, as Whisper hears it."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_transcript.segments import TranscriptSegments
from mirstore_transcript.words import Transcript

__all__ = ["Transcript", "TranscriptSegments"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [TranscriptSegments, Transcript]
