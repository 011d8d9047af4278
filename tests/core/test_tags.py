"""Tags are read from every container, cleaned, and never end a scan."""

from __future__ import annotations

import resource
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from mirstore.core.tags import Tags, read_tags

mutagen = pytest.importorskip("mutagen")

said = Tags(
    title="Für Elise – 日本",
    artist="Ann; Bob",
    album="Bagatelles",
    albumartist="Ann",
    genre=("Classical", "Piano"),
    date="1810-04-27",
    tracknumber="3",
    bpm=72.0,
    mb_recording="0b1e1d6e-7f2a-4a1c-8b1e-000000000001",
    mb_release="0b1e1d6e-7f2a-4a1c-8b1e-000000000002",
    mb_artist="0b1e1d6e-7f2a-4a1c-8b1e-000000000003",
)


def id3_frames():
    from mutagen import id3

    return [
        id3.TIT2(text=said.title),
        id3.TPE1(text=["Ann", "Bob"]),
        id3.TALB(text=said.album),
        id3.TPE2(text=said.albumartist),
        id3.TCON(text=list(said.genre)),
        id3.TDRC(text=said.date),
        id3.TRCK(text="3/12"),
        id3.TBPM(text="72"),
        id3.UFID(owner="http://musicbrainz.org", data=said.mb_recording.encode()),
        id3.TXXX(desc="MusicBrainz Album Id", text=said.mb_release),
        id3.TXXX(desc="MusicBrainz Artist Id", text=said.mb_artist),
        id3.APIC(mime="image/png", type=3, data=bytes(100_000)),
    ]


comments = {
    "title": said.title,
    "artist": ["Ann", "Bob"],
    "album": said.album,
    "albumartist": said.albumartist,
    "genre": list(said.genre),
    "date": said.date,
    "tracknumber": "3",
    "bpm": "72",
    "musicbrainz_trackid": said.mb_recording,
    "musicbrainz_albumid": said.mb_release,
    "musicbrainz_artistid": said.mb_artist,
}


def write_tags(path: Path) -> None:
    """Write `said` as Picard does for this container."""
    from mutagen import id3

    if path.suffix in (".mp3", ".aac"):
        tags = id3.ID3()
        for frame in id3_frames():
            tags.add(frame)
        tags.save(path, v1=2)
        return
    file = mutagen.File(path)
    if path.suffix in (".wav", ".aiff"):
        file.add_tags()
        for frame in id3_frames():
            file.tags.add(frame)
    elif path.suffix in (".flac", ".ogg", ".opus", ".oga", ".spx"):
        file.update(comments)
    elif path.suffix == ".wv":
        names = {"date": "Year", "tracknumber": "Track"}
        for name, value in comments.items():
            file[names.get(name, name)] = value
    elif path.suffix == ".m4a":
        freeform = {"Track": said.mb_recording, "Album": said.mb_release, "Artist": said.mb_artist}
        file.update({"\xa9nam": said.title, "\xa9ART": ["Ann", "Bob"], "\xa9alb": said.album, "aART": said.albumartist})
        file.update({"\xa9gen": list(said.genre), "\xa9day": said.date, "trkn": [(3, 12)], "tmpo": [72]})
        file.update({f"----:com.apple.iTunes:MusicBrainz {k} Id": v.encode() for k, v in freeform.items()})
    else:
        file.update({"Title": said.title, "Author": ["Ann", "Bob"], "WM/AlbumTitle": said.album})
        file.update({"WM/AlbumArtist": said.albumartist, "WM/Genre": list(said.genre), "WM/Year": said.date})
        file.update({"WM/TrackNumber": "3", "WM/BeatsPerMinute": "72", "MusicBrainz/Track Id": said.mb_recording})
        file.update({"MusicBrainz/Album Id": said.mb_release, "MusicBrainz/Artist Id": said.mb_artist})
    file.save()


every = [".mp3", ".aac", ".wav", ".aiff", ".flac", ".ogg", ".opus", ".oga", ".spx", ".m4a", ".wma", ".wv"]


@pytest.mark.parametrize("suffix", every)
def test_every_container_says_what_was_written(make_recording, suffix):
    path = make_recording(f"a{suffix}")
    before = read_tags(path)
    assert (before, before.problem) == (Tags(), None)
    write_tags(path)
    found = read_tags(path)
    expected = said.as_dict()
    if suffix == ".wma":  # where several values stand in two objects, in whatever order
        expected |= {"artist": "Bob; Ann", "genre": ["Piano", "Classical"]}
    assert found.as_dict() == expected
    assert found.problem is None


@pytest.mark.parametrize("suffix", [".mka", ".webm"])
def test_matroska_says_what_was_written(make_recording, suffix, tmp_path):
    av = pytest.importorskip("av")
    path = make_recording("a.webm" if suffix == ".webm" else "a.opus")
    tagged = tmp_path / f"tagged{suffix}"
    with av.open(str(path)) as source, av.open(str(tagged), "w") as file:
        file.metadata.update({"title": "One", "artist": "Ann", "genre": "Rock", "album": "Two", "date": "1999"})
        stream = file.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                file.mux(packet)
    found = read_tags(tagged)
    assert found == Tags(title="One", artist="Ann", album="Two", genre=("Rock",), date="1999")


@pytest.mark.parametrize(
    ("written", "genres"),
    [
        (["(17)"], ("Rock",)),
        (["17"], ("Rock",)),
        (["(17)Rock"], ("Rock",)),
        (["Rock; Pop"], ("Rock", "Pop")),
        (["Rock|Pop"], ("Rock", "Pop")),
        (["Rock\0Pop"], ("Rock", "Pop")),
        (["Drum & Bass"], ("Drum & Bass",)),
        (["Rock/Pop"], ("Rock/Pop",)),
        (["R&B, Soul"], ("R&B, Soul",)),
        (["(999)"], ("999",)),
        (["Rock", "Rock", " "], ("Rock",)),
        (["(RX)"], ("Remix",)),
        (["1990s"], ("1990s",)),
    ],
)
def test_genres_are_names(make_recording, written, genres):
    from mutagen import id3

    path = make_recording("a.mp3", seconds=0.5)
    tags = id3.ID3()
    tags.add(id3.TCON(encoding=3, text=written))
    tags.save(path)
    assert read_tags(path).genre == genres


def test_id3v1_is_the_last_to_be_asked(make_recording):
    """Its texts are cut and its genre is one of a list, so it adds nothing to better tags."""
    from mutagen import apev2, id3

    path = make_recording("a.mp3", seconds=0.5)
    data = path.read_bytes()
    cut = b"TAG" + b"A title that is cut after thir" + b"Ann".ljust(30, b"\0") + bytes(30 + 4 + 30) + bytes([17])
    path.write_bytes(data + cut)
    assert read_tags(path) == Tags(title="A title that is cut after thir", artist="Ann", genre=("Rock",))
    path.write_bytes(data)
    ape = apev2.APEv2()
    ape["Title"] = "A title that is cut after thirty characters"
    ape.save(path)
    path.write_bytes(path.read_bytes() + cut)
    assert read_tags(path) == Tags(title=ape["Title"][0], artist="Ann", genre=("Rock",))
    tags, front = id3.ID3(), BytesIO()
    tags.add(id3.TCON(text="Indie"))
    tags.save(front)
    path.write_bytes(front.getvalue() + path.read_bytes())
    assert read_tags(path) == Tags(title=ape["Title"][0], artist="Ann", genre=("Indie",))


def test_text_is_text(make_recording):
    path = make_recording("a.ogg", seconds=0.5)
    file = mutagen.File(path)
    file["title"], file["artist"], file["bpm"] = "a\x07b ", "x" * 10_000, "fast"
    file.save()
    found = read_tags(path)
    assert (found.title, len(found.artist), found.bpm) == ("ab", 4096, None)


def test_what_cannot_be_read_is_said_and_not_raised(tmp_path):
    assert read_tags(tmp_path / "none").problem == "no such file"
    (tmp_path / "text").write_text("hello")
    assert read_tags(tmp_path / "text") == Tags()
    assert read_tags(tmp_path / "text").problem is None


@pytest.mark.parametrize("suffix", [*every, ".webm"])
def test_damaged_tags_never_raise_nor_take_much_memory(make_recording, tmp_path, suffix):
    path = make_recording(f"a{suffix}", seconds=0.5)
    if suffix != ".webm":
        write_tags(path)
    data = path.read_bytes()
    rng = np.random.default_rng(440)
    other = tmp_path / f"b{suffix}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        changed = bytearray(data[: rng.integers(1, len(data))] if rng.random() < 0.2 else data)
        low = 0 if rng.random() < 0.7 else max(0, len(changed) - 4000)
        for at in low + rng.integers(0, min(len(changed), 4000), rng.integers(1, 8)):
            changed[min(at, len(changed) - 1)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
        other.write_bytes(changed)
        found = read_tags(other)
        str(found.as_dict()).encode()  # is text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # [kB]


def test_no_file_of_the_torture_is_too_much(shared):
    for path in sorted((shared / "data" / "torture").iterdir()):
        assert isinstance(read_tags(path), Tags)
