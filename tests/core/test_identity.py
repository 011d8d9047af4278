"""A recording keeps its id whatever taggers do to its file, and another recording has another."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirstore.core.errors import AudioError
from mirstore.core.identity import track_id
from mirstore.core.stored import OddFileError, Stored
from mirstore.core.trimming import between_tags

mutagen = pytest.importorskip("mutagen")

id3_files = [".mp3", ".wav", ".aiff", ".aac"]
comment_files = [".flac", ".ogg", ".opus", ".oga", ".spx"]
tagged = [*id3_files, *comment_files, ".m4a", ".wma", ".wv"]
audio = st.binary(min_size=1, max_size=400)
cover = b"\xff\xd8\xff\xe0" + np.random.default_rng(1).bytes(1_000_000)


def tag(path: Path, **texts: str) -> None:
    """Write tags as Picard would."""
    from mutagen import id3

    if path.suffix in (".mp3", ".aac"):
        tags = id3.ID3()
        tags.add(id3.TIT2(text=texts["title"]))
        tags.add(id3.TCON(text=texts["genre"]))
        tags.save(path, v1=2)
        return
    file = mutagen.File(path)
    if path.suffix in id3_files:
        file.tags is None and file.add_tags()
        file.tags.add(id3.TIT2(text=texts["title"]))
        file.tags.add(id3.TCON(text=texts["genre"]))
    elif path.suffix in comment_files:
        file["title"], file["genre"] = texts["title"], texts["genre"]
    elif path.suffix == ".m4a":
        file["\xa9nam"], file["\xa9gen"] = texts["title"], texts["genre"]
    else:
        file["Title"], file["Genre" if path.suffix == ".wv" else "WM/Genre"] = texts["title"], texts["genre"]
    file.save()


def add_cover(path: Path) -> None:
    from mutagen import apev2, asf, flac, id3, mp4

    if path.suffix in (".mp3", ".aac"):
        tags = id3.ID3(path)
        tags.add(id3.APIC(mime="image/jpeg", type=3, data=cover))
        tags.save(path)
        return
    file = mutagen.File(path)
    picture = flac.Picture()
    picture.type, picture.mime, picture.data = 3, "image/jpeg", cover
    if path.suffix in id3_files:
        file.tags.add(id3.APIC(mime="image/jpeg", type=3, data=cover))
    elif path.suffix == ".flac":
        file.add_picture(picture)
    elif path.suffix in comment_files:
        import base64

        file["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
    elif path.suffix == ".m4a":
        file["covr"] = [mp4.MP4Cover(cover)]
    elif path.suffix == ".wma":
        file["WM/Picture"] = asf.ASFByteArrayAttribute(picture.write())
    else:
        file["Cover Art (Front)"] = apev2.APEValue(b"cover.jpg\0" + cover, apev2.BINARY)
    file.save()


def remove_tags(path: Path) -> None:
    from mutagen import id3

    if path.suffix == ".aac":
        id3.ID3(path).delete()
    else:
        mutagen.File(path).delete()


@pytest.mark.parametrize("suffix", tagged)
def test_tags_covers_padding_and_their_removal_change_nothing(make_recording, suffix):
    path = make_recording(f"a{suffix}")
    before, bytes_before = track_id(path), path.read_bytes()
    for step in (
        lambda: tag(path, title="One", genre="Rock"),
        lambda: tag(path, title="A much longer title " * 500, genre="Pop"),
        lambda: add_cover(path),
    ):
        step()
        assert track_id(path) == before
        assert path.read_bytes() != bytes_before
    remove_tags(path)
    assert track_id(path) == before


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".m4a", ".ogg"])
def test_padding_alone_changes_nothing(make_recording, suffix):
    path = make_recording(f"a{suffix}")
    tag(path, title="One", genre="Rock")
    before = track_id(path)
    sizes = set()
    for padding in (0, 10, 70_000):
        file = mutagen.File(path)
        file.save(padding=lambda _, padding=padding: padding)
        sizes.add(path.stat().st_size)
        assert track_id(path) == before
    assert len(sizes) == 3


@pytest.mark.parametrize("suffix", [".mp3", ".wv"])
def test_tags_at_the_end_are_none_of_the_recording(make_recording, suffix):
    from mutagen import apev2, id3

    path = make_recording(f"a{suffix}")
    before = track_id(path)
    tags = apev2.APEv2()
    tags["Title"], tags["Genre"] = "One", "Rock"
    tags.save(path)
    assert track_id(path) == before
    with open(path, "ab") as file:
        file.write(b"LYRICSBEGININD0000200" + b"000021LYRICS200")
        file.write(b"TAG" + bytes(125))
    assert track_id(path) == before
    if suffix == ".mp3":
        id3.ID3().save(path, v1=2)
        data = path.read_bytes()
        path.write_bytes(b"ID3\x04\0\0\0\0\0\x05hello" + data)
        assert track_id(path) == before


@pytest.mark.parametrize("suffix", [*tagged, ".rf64", ".w64", ".caf", ".mka", ".webm"])
def test_one_changed_byte_of_audio_is_another_recording(make_recording, tmp_path, suffix):
    path = make_recording(f"a{suffix}")
    ids = {track_id(path)}
    data = bytearray(path.read_bytes())
    places = np.linspace(len(data) * 0.4, len(data) * 0.97, 12).astype(int)
    for at in places:
        changed = data.copy()
        changed[at] ^= 1
        other = tmp_path / f"b{suffix}"
        other.write_bytes(changed)
        ids.add(track_id(other))
    assert len(ids) == 1 + len(places)


def test_what_taggers_write_is_not_in_the_tables_of_an_mp4_wherever_they_stand(make_recording, tmp_path):
    """Samples before the tables, or behind them, as for the web."""
    path = make_recording("a.m4a")
    data = path.read_bytes()
    boxes, at = {}, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        boxes[data[at + 4 : at + 8]] = data[at : at + size]
        at += size
    moved = tmp_path / "moved.m4a"
    moved.write_bytes(boxes[b"ftyp"] + boxes[b"moov"] + boxes[b"mdat"])
    assert track_id(moved) == track_id(path)
    moved.write_bytes(boxes[b"ftyp"] + boxes[b"moov"].replace(b"stts", b"sttt") + boxes[b"mdat"])
    assert track_id(moved) != track_id(path)


def test_the_same_recording_in_two_containers_has_two_ids(make_recording):
    assert track_id(make_recording("a.wav")) != track_id(make_recording("a.flac"))


def test_what_is_not_known_is_hashed_as_it_stands(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert track_id(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(AudioError, match="no such file"):
        track_id(tmp_path / "none")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".wma", ".aiff", ".caf", ".w64"])
def test_a_damaged_file_is_hashed_as_it_stands_and_never_ends_the_scan(make_recording, tmp_path, suffix):
    path = make_recording(f"a{suffix}")
    data = path.read_bytes()
    rng = np.random.default_rng(440)
    cut = tmp_path / f"cut{suffix}"
    for _ in range(150):
        changed = bytearray(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        for at in rng.integers(0, min(len(changed), 600), rng.integers(1, 8)):
            changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
        cut.write_bytes(changed)
        id_ = track_id(cut)
        assert len(id_) == 64
        tail = tmp_path / f"tail{suffix}"
        changed[-1 - len(changed) // 3] ^= 0x10  # audio, or whatever stands there, is never passed over
        tail.write_bytes(changed)
        assert track_id(tail) != id_ or len(changed) < 200


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(min_size=1, max_size=400), st.binary(min_size=1, max_size=400), st.sampled_from(["raw", "wav", "flac"])
)
def test_two_recordings_never_have_one_id(tmp_path, a, b, kind):
    def stored(audio: bytes) -> str:
        size = len(audio).to_bytes(4, "little")
        heads = {
            "raw": b"\xff\xfb\x90\0",
            "wav": b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + bytes(16) + b"data" + size,
            "flac": b"fLaC\x80\0\0\x22" + bytes(34),
        }
        path = tmp_path / "x"
        path.write_bytes(heads[kind] + audio)
        return track_id(path)

    assert (stored(a) == stored(b)) == (a == b)


@given(
    st.binary(max_size=64),
    st.sampled_from([b"APETAGEX", b"LYRICS200", b"TAG", b"3DI", b"ID3\x04\0\0"]),
    st.binary(max_size=200),
)
def test_only_whole_tags_are_cut_off(tmp_path_factory, audio, magic, rest):
    """Bytes that look like a tag and do not add up stay in the recording."""
    path = tmp_path_factory.mktemp("cut") / "x"
    path.write_bytes(audio + magic + rest)
    with open(path, "rb") as file:
        size = len(audio + magic + rest)
        try:
            kept = between_tags(Stored(file, range(size)))
        except OddFileError:
            return
        assert 0 <= kept.start < kept.stop <= size
        if magic == b"APETAGEX":
            assert kept == range(size)


def test_nothing_of_the_torture_is_too_much(shared, tmp_path):
    ids = {}
    for path in sorted((shared / "data" / "torture").iterdir()):
        if path.is_file() and path.stat().st_size:
            ids[path.name] = track_id(path)
    assert ids["cover_art.mp3"] == ids["ok.mp3"] == ids["noext"]
    assert ids["m4a_as.mp3"] == ids["ok.m4a"]
    plain = hashlib.sha256((shared / "data" / "torture" / "id3_256MB_claim.mp3").read_bytes()).hexdigest()
    assert ids["id3_256MB_claim.mp3"] == plain


def test_a_file_by_another_name_is_the_same_recording(make_recording, tmp_path):
    path = make_recording("a.ogg")
    shutil.copy(path, tmp_path / "b.mp3")
    assert track_id(tmp_path / "b.mp3") == track_id(path)
