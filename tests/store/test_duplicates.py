"""Copies of a recording are found by samples and fingerprints, told, and counted as leakage."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from done import ingest

from mirstore.core.chromaprints import decode, find_copies
from mirstore.core.experiment_entries import TaskEntry
from mirstore.core.experiments.copies import recordings, similar_names
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store.datasets import leakage, spellings, together
from mirstore.store.experiments.tasks import load_task
from mirstore.store.ingest.sources import find

sr = 22050


def melody(seed, seconds=12.0):
    """Random notes with overtones [shape=(n,)]: noise has no fingerprint worth the name."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(0.25 * sr)) / sr
    notes = [220 * 2 ** (rng.integers(0, 24) / 12) for _ in range(int(seconds / 0.25))]
    parts = [sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 6)) * np.exp(-4 * t) for f in notes]
    return (0.2 * np.concatenate(parts)).astype(np.float32)


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(4):
        soundfile.write(folder / f"{number}.wav", melody(number), sr, subtype="PCM_16")
    pcm, _ = soundfile.read(folder / "0.wav", dtype="int16")
    soundfile.write(folder / "0_lossless.flac", pcm, sr)
    soundfile.write(folder / "1_quiet.wav", 0.5 * melody(1), sr, subtype="PCM_16")
    soundfile.write(folder / "2.mp3", melody(2), sr)
    soundfile.write(folder / "3_cut.flac", melody(3)[int(0.05 * sr) :], sr)
    return folder


def fingerprints():
    pytest.importorskip("essentia")
    return resolve(["chromaprint"], Registry.load(), Plugins.installed())


def found(store):
    rows = store.sql("SELECT kind, parse_filename(a_path), parse_filename(b_path) FROM duplicates").rows()
    return sorted(rows)


def test_the_same_samples_in_two_codings_are_one_recording(store, music):
    summary = ingest(store, find([music]), {}).as_dict()["duplicates"]
    assert found(store) == [("same samples", "0.wav", "0_lossless.flac")]
    assert summary["told"] == ["0_lossless.flac is the same recording as 0.wav"]
    assert summary["near"].startswith("not looked for")


def test_quieter_cut_and_coded_copies_are_found_and_nothing_else(store, music):
    summary = ingest(store, find([music]), fingerprints()).as_dict()["duplicates"]
    assert summary["near"] == "looked for"
    assert found(store) == [
        ("near", "1.wav", "1_quiet.wav"),
        ("near", "2.mp3", "2.wav"),
        ("near", "3.wav", "3_cut.flac"),
        ("same samples", "0.wav", "0_lossless.flac"),
    ]
    assert store.sql("SELECT min(score) FROM duplicates").item() > 0.8
    assert ingest(store, find([music]), fingerprints()).as_dict()["duplicates"]["told"] == []


def test_a_copy_that_comes_later_is_found(store, music):
    ingest(store, find([music]), fingerprints())
    soundfile.write(music / "0_late.ogg", melody(0), sr)
    summary = ingest(store, find([music]), fingerprints()).as_dict()["duplicates"]
    assert summary["found"] == {"near": 2}  # of the wav, and of the flac


def test_labels_that_differ_are_told(store, music):
    table = music.parent / "t.csv"
    table.write_text("path,genre\nmusic/0.wav,rock\nmusic/0_lossless.flac,pop\nmusic/1.wav,pop\n")
    summary = ingest(store, find([table]), {}, dataset="d").as_dict()["duplicates"]
    assert summary["told"] == ["0_lossless.flac is the same recording as 0.wav; genre differs: rock, pop"]
    assert store.sql("SELECT details FROM duplicates").item() == "genre differs: rock, pop"


def test_a_copy_that_is_gone_is_no_duplicate(store, music):
    ingest(store, find([music]), {})
    soundfile.write(music / "0.wav", melody(9), sr, subtype="PCM_16")
    ingest(store, find([music]), {})
    assert found(store) == []


def test_copies_on_both_sides_of_a_split_leak(store, music):
    table = music.parent / "t.csv"
    table.write_text(
        "path,artist,split\nmusic/0.wav,Ann,train\nmusic/0_lossless.flac,Ann,test\nmusic/1.wav,Bob,train\n"
        "music/1_quiet.wav,bob,test\nmusic/2.wav,The Cats,train\nmusic/3.wav,cats,test\n"
    )
    ingest(store, find([table]), fingerprints(), dataset="d")
    rows = {row["kind"]: row for row in leakage(store, "d").iter_rows(named=True)}
    assert {kind: row["shared"] for kind, row in rows.items()} == {"artist": 1, "album": None, "audio": 1, "near": 1}
    assert spellings(store, "d") == [["Bob", "bob"], ["The Cats", "cats"]]


@pytest.mark.parametrize(
    ("rows", "shared"),
    [
        (["0.wav,Ann,1,test", "0_lossless.flac,Ann,2,test", "1.wav,Bob,1,test", "2.wav,Cid,2,test"], [1, 1]),
        (["0.wav,Ann,1,train", "2.wav,Ann,1,validation", "3.wav,Bob,1,test", "1.wav,Bob,1,unused"], [0]),
        (["0.wav,Ann,1,train", "2.wav,Ann,1,validation", "3.wav,Bob,1,train", "1.wav,Bob,1,unused"], [1]),
    ],
    ids=["folds of test parts only", "test before validation", "no test part"],
)
def test_a_dataset_and_an_experiment_mean_the_same_by_leakage(store, music, test_plugins, rows, shared):
    table = music.parent / "t.csv"
    lines = [f"music/{row},{'rock' if number % 2 else 'pop'}" for number, row in enumerate(rows)]
    table.write_text("\n".join(["path,artist,fold,split,genre", *lines]))
    ingest(store, find([table]), resolve(["rms-segments"], Registry.load(), Plugins.installed()), dataset="d")
    found = leakage(store, "d").filter(pl.col("kind") == "artist")
    assert found["shared"].to_list() == shared
    if "test" in str(rows):
        data = load_task(
            store, TaskEntry(dataset="d", labels="genre", metric="accuracy", split="split"), ["rms-segments"]
        )
        leaks = {row["kind"]: row["shared"] for row in data.leakage(data.folds(1))}
        assert leaks["artist"] == max(shared)


def test_what_is_not_known_of_any_track_is_not_said_to_share_nothing(store, music):
    table = music.parent / "t.csv"
    table.write_text("path,split\nmusic/0.wav,train\nmusic/1.wav,test\n")
    ingest(store, find([table]), {}, dataset="d")
    shared = dict(leakage(store, "d").select("kind", "shared").iter_rows())
    assert shared == {"artist": None, "album": None, "audio": 0, "near": None}


def test_without_a_split_it_is_said_what_belongs_together(store, music):
    table = music.parent / "t.csv"
    table.write_text(
        "path,artist\nmusic/0.wav,Ann\nmusic/0_lossless.flac,Ann\nmusic/1.wav,Bob\nmusic/1_quiet.wav,Cid\n"
    )
    ingest(store, find([table]), fingerprints(), dataset="d")
    assert leakage(store, "d").is_empty()
    rows = {row["kind"]: row for row in together(store, "d").iter_rows(named=True)}
    assert {kind: (row["known"], row["groups"], row["tracks"]) for kind, row in rows.items()} == {
        "artist": (4, 1, 2),
        "album": (0, 0, 0),
        "audio": (4, 1, 2),
        "near": (4, 1, 2),
    }
    assert rows["artist"]["examples"] == "Ann"


@pytest.mark.parametrize(("split", "near"), [("split", 1), ("stratified", None)])
def test_an_experiment_counts_copies_on_both_sides(store, music, test_plugins, split, near):
    table = music.parent / "t.csv"
    table.write_text(
        "path,genre,split\nmusic/0.wav,rock,train\nmusic/0_lossless.flac,rock,test\nmusic/1.wav,pop,train\n"
        "music/1_quiet.wav,pop,test\nmusic/2.wav,rock,train\nmusic/3.wav,pop,train\n"
    )
    level = resolve(["rms-segments"], Registry.load(), Plugins.installed())
    ingest(store, find([table]), level | fingerprints(), dataset="d")
    task = TaskEntry(dataset="d", labels="genre", metric="accuracy", split=split, folds=3)
    data = load_task(store, task, ["rms-segments"])
    rows = {row["kind"]: row for row in data.leakage(data.folds(1))}
    assert rows["near"]["known"] == 6
    if near is not None:
        assert rows["near"] == {"kind": "near", "known": 6, "shared": near, "examples": str(music / "1.wav")}
        assert rows["audio"]["shared"] == 1


@pytest.mark.slow
def test_copies_of_real_music_are_found_and_no_others(store, shared, tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    for path in sorted((shared / "data" / "real_audio" / "audio").glob("*.ogg"))[::6]:
        samples, rate = soundfile.read(path, dtype="float32")
        shutil.copy(path, folder)
        soundfile.write(folder / f"{path.stem}.mp3", samples, rate)
        soundfile.write(folder / f"{path.stem}.flac", 0.5 * samples[int(0.05 * rate) :], rate)
    ingest(store, find([folder]), fingerprints(), workers=2)
    pairs = store.sql("SELECT a_path, b_path FROM duplicates").rows()
    stems = [tuple(Path(path).stem for path in pair) for pair in pairs]
    assert len(stems) == 3 * 21
    assert all(a == b for a, b in stems)


# Fingerprints


def test_a_compressed_fingerprint_is_read_as_its_own_library_writes_it():
    pytest.importorskip("essentia")
    code = """
import numpy as np, essentia, essentia.standard as es
essentia.log.infoActive = False
print(es.Chromaprinter(sampleRate=44100)((0.5 * np.sin(np.arange(44100 * 8) / 9)).astype("float32")))
"""
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
    numbers = decode(text)
    assert 30 < len(numbers) < 60
    assert encode(numbers) == text


def encode(numbers):
    """Chromaprint's compression, as its documentation has it."""
    import base64

    normal, far, last = [], [], 0
    for number in map(int, numbers):
        difference, last, before = number ^ last, number, 0
        for bit in range(32):
            if difference >> bit & 1:
                step, before = bit + 1 - before, bit + 1
                normal.append(min(step, 7))
                far += [step - 7] if step >= 7 else []
        normal.append(0)

    def packed(values, width):
        bits = "".join(format(value, f"0{width}b")[::-1] for value in values)
        bits += "0" * (-len(bits) % 8)
        return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))

    data = bytes([1]) + len(numbers).to_bytes(3, "big") + packed(normal, 3) + packed(far, 5)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize("count", [1, 2, 100])
def test_any_numbers_come_back(count):
    numbers = np.random.default_rng(count).integers(0, 1 << 32, count, dtype=np.uint32)
    numbers[0] = 0xFFFFFFFF
    assert (decode(encode(numbers)) == numbers).all()


@pytest.mark.parametrize("text", ["", "A", "????", "AQAD_w", "AQAAAQ", encode(np.arange(9, dtype=np.uint32))[:9]])
def test_what_is_no_fingerprint_is_said(text):
    with pytest.raises(ValueError, match="fingerprint"):
        decode(text)


def test_silence_has_no_numbers():
    assert len(decode("AQAAAA")) == 0


def test_copies_among_thousands_are_found_without_comparing_all():
    rng = np.random.default_rng(440)
    prints = {f"t{n}": rng.integers(0, 1 << 32, 400, dtype=np.uint32) for n in range(2000)}
    flips = (1 << rng.integers(0, 32, 395)).astype(np.uint32) * (rng.random(395) < 0.8)
    prints["copy"] = prints["t7"][5:] ^ flips.astype(np.uint32)
    silence = np.zeros(400, np.uint32)
    prints |= {f"silent{n}": silence for n in range(50)}
    ((a, b, error),) = find_copies(prints)
    assert (a, b) == ("t7", "copy")
    assert error == pytest.approx(0.8 / 32, abs=0.005)
    assert find_copies(prints, {"t8"}) == []
    assert find_copies({}) == []


def test_copies_of_copies_are_one_recording():
    assert recordings(["a", "b", "c", "d"], [("c", "b"), ("b", "a"), ("d", "x")]) == ["a", "a", "a", None]


def test_spellings_of_one_artist():
    names = ["The Beatles", "beatles", "Beatles, The", "Björk", "BJORK", "Ann feat. Bob", "Ann", "Simon & Garfunkel",
             "Simon and Garfunkel", "Theremin", "A", "Cid", None, "  "]  # fmt: skip
    assert similar_names(names) == [
        ["Ann", "Ann feat. Bob"],
        ["BJORK", "Björk"],
        ["Beatles, The", "The Beatles", "beatles"],
        ["Simon & Garfunkel", "Simon and Garfunkel"],
    ]
