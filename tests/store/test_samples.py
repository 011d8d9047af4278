"""What decoding told about a file reaches the store: the hash of its samples, and what was odd."""

from __future__ import annotations

import numpy as np
import soundfile
from done import ingest

from mirstore.store import Store
from mirstore.store.ingest.sources import find


def test_a_wav_and_its_flac_have_one_hash_of_samples_and_another_recording_has_another(tmp_path):
    x, y = np.random.default_rng(8).integers(-9000, 9000, (2, 22050), dtype=np.int16)  # floats are rounded in two ways
    folder = tmp_path / "music"
    folder.mkdir()
    for name, samples in (("a.wav", x), ("a.flac", x), ("b.wav", y)):
        soundfile.write(folder / name, samples, 22050, subtype="PCM_16")
    cut = (folder / "b.wav").read_bytes()
    (folder / "cut.wav").write_bytes(cut[: len(cut) * 3 // 4])
    with Store(tmp_path / "store", create=True) as store:
        ingest(store, find([folder]), {})
        tracks = store.scan("core.tracks").select("codec", "samples", "warnings").collect()
    assert tracks.height == 4
    assert tracks["samples"].n_unique() == 3
    assert tracks.filter(codec="flac")["samples"].item() in set(tracks.filter(codec="pcm_s16le")["samples"])
    assert [text for text in tracks["warnings"] if text] == [
        "has 0.750 s of the 1.000 s that its header promises: 250 ms are missing"
    ]
