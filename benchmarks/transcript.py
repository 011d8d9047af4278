"""Transcripts: ``python benchmarks/transcript.py FILE …``.

Prints what the extractor takes beside a bare loop of the same network, with the same options, on the same decoded
audio, in CPU seconds per second of audio; the smallest of three rounds counts. Weights: mirstore weights fetch
whisper-tiny.en.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from faster_whisper import WhisperModel

from mirstore.core import Track
from mirstore_transcript import TranscriptSegments
from mirstore_transcript.model import tiny_en


def seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


if __name__ == "__main__":
    tracks = [Track("0" * 64, Path(name)) for name in sys.argv[1:]]
    audio = [track.audio(16_000) for track in tracks]
    length = sum(track.duration for track in tracks)
    network = WhisperModel(str(tiny_en.path()), device="cpu", compute_type="int8", cpu_threads=1)
    extractor = TranscriptSegments()
    extractor.extract(tracks[0])  # loads its own

    def bare() -> None:
        for samples in audio:
            options = dict.fromkeys(("no_speech_threshold", "log_prob_threshold", "compression_ratio_threshold"))
            segments, _ = network.transcribe(samples, beam_size=5, temperature=0.0, word_timestamps=True, **options)
            for _ in segments:
                pass

    def ours() -> None:
        for track in tracks:
            extractor.extract(track)

    rounds = [(seconds(bare), seconds(ours)) for _ in range(3)]
    least = min(theirs for theirs, _ in rounds), min(own for _, own in rounds)
    print(f"bare loop  {least[0] / length:.4f} CPU-s/s")
    print(f"extractor  {least[1] / length:.4f} CPU-s/s: {least[1] / least[0]:.2f} of it")
