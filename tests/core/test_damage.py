"""Whatever is done to a file, and whatever a decoder or a disk does, `decode` answers with audio or an `AudioError`."""

from __future__ import annotations

import errno
import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mirstore.core import AudioError
from mirstore.core import audio as module
from mirstore.core.audio import decode
from mirstore.core.decoders import Source, decode_by_av
from mirstore.core.headers import cut_seconds, mp3_seconds

sr = 22050
music = 0.3 * np.random.default_rng(5).uniform(-1, 1, (sr, 2))


@pytest.fixture(scope="module")
def files(ffmpeg, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    soundfile.write(folder / "x.wav", music, sr)
    options = {"ogg": ["-c:a", "libvorbis"], "mka": ["-c:a", "libmp3lame"], "ts": ["-c:a", "mp2"]}
    for suffix in "flac ogg mp3 aiff caf w64 au m4a mka wma wv ts tta opus ac3 voc".split():
        done = ffmpeg("-i", folder / "x.wav", *options.get(suffix, []), folder / f"x.{suffix}")
        assert done.returncode == 0, done.stderr
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "x"


def outcome(path):
    """Return the audio, or the error's reason; anything else that is raised is a bug."""
    try:
        audio = decode(path)
    except AudioError as error:
        return error.reason
    assert np.isfinite(audio.samples).all()
    assert audio.duration >= 0.1
    return audio


def test_every_file_is_whole_before(files, place):
    for suffix, data in files.items():
        place.write_bytes(data)
        audio = outcome(place)
        assert not isinstance(audio, str), suffix
        assert audio.duration == pytest.approx(1.0, abs=0.1), suffix


@settings(max_examples=300)
@given(data=st.data())
def test_no_damage_makes_anything_but_a_typed_error(files, place, data):
    whole = bytearray(files[data.draw(st.sampled_from(sorted(files)), label="file")])
    for _ in range(data.draw(st.integers(1, 8), label="changes")):
        at = data.draw(st.one_of(st.integers(0, min(400, len(whole) - 1)), st.integers(0, len(whole) - 1)), label="at")
        change = data.draw(st.sampled_from(["byte", "zeros", "ones", "cut", "double", "remove"]), label="change")
        if change == "byte":
            whole[at] = data.draw(st.integers(0, 255))
        elif change in ("zeros", "ones"):
            whole[at : at + 8] = (b"\0" if change == "zeros" else b"\xff") * len(whole[at : at + 8])
        elif change == "cut" and at > 50:
            del whole[at:]
        elif change == "double":
            whole[at:at] = whole[at : at + 100]
        elif change == "remove":
            del whole[at : at + 10]
        if not whole:
            break
    place.write_bytes(whole)
    outcome(place)


def test_a_wma_that_seeks_before_its_beginning_is_typed(shared, place):
    data = bytearray((shared / "data" / "torture" / "trunc100b.wma").read_bytes())
    data[51] = 0xDA
    place.write_bytes(data)
    assert outcome(place) == "corrupt"


class BadDisk(io.BytesIO):
    def read(self, size=-1):
        if self.tell() > len(self.getvalue()) // 2:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(min(size, 8192))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".wv", ".ts"])
def test_a_disk_that_fails_is_no_end_of_file(files, place, monkeypatch, suffix):
    place.write_bytes(files[suffix])
    monkeypatch.setattr(module, "open_file", lambda path: BadDisk(files[suffix]))
    with pytest.raises(AudioError, match="input/output error") as error:
        decode(place)
    assert error.value.reason == "unreadable"


@pytest.mark.parametrize("raised", [RuntimeError("soxr"), OSError(errno.EINVAL, "Invalid argument"), KeyError("x")])
def test_what_a_decoder_raises_is_a_reason(files, place, monkeypatch, raised):
    def decoder(file, max_duration):
        raise raised

    place.write_bytes(files[".wav"])
    for name in ("decode_by_av", "decode_by_soundfile"):
        monkeypatch.setattr(module, name, decoder)
    with pytest.raises(AudioError, match="begins as WAVE, but cannot be read"):
        decode(place)


def test_too_little_memory_is_not_the_files_fault(files, place, monkeypatch):
    def decoder(file, max_duration):
        raise MemoryError

    place.write_bytes(files[".wav"])
    monkeypatch.setattr(module, "decode_by_av", decoder)
    with pytest.raises(MemoryError):
        decode(place)


def test_too_many_samples_stop_the_decoder(files, monkeypatch):
    monkeypatch.setattr("mirstore.core.decoders.most_samples", 20_000)
    with pytest.raises(AudioError, match="has more than 20000 samples"):
        decode_by_av(Source(io.BytesIO(files[".flac"])), 100.0)


class Counted(io.BytesIO):
    reads = 0

    def read(self, size=-1):
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize(
    "data", [b"ID3\0\0", 500_000 * b"ID3\4\0\0\0\0\0\0", b"RIFF\0\0\0\0WAVE" + bytes(2_000_000), b"caff" + bytes(10**6)]
)
def test_headers_without_end_are_not_followed(place, data):
    file = Counted(data)
    assert (mp3_seconds(file), cut_seconds(file)) == (None, None)
    assert file.reads < 5000
    place.write_bytes(data)
    assert outcome(place) in {"corrupt", "not audio"}


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"MThd\0\0\0\6", "is MIDI"),
        (b"OFR \x0f", "OptimFROG is not decoded"),
        (b"PK\3\4", "zip archive"),
        (b"\xff\xd8\xff\xe0", "picture"),
        (b"#EXTM3U\n/etc/passwd\n", "playlist"),
        (b"ffconcat version 1.0\nfile a.wav\n", "playlist"),
    ],
)
def test_what_is_known_to_be_no_audio_says_what_it_is(place, start, said):
    place.write_bytes(start + bytes(1000))
    with pytest.raises(AudioError, match=said) as error:
        decode(place)
    assert error.value.reason == "not audio"


def test_no_demuxer_that_opens_other_files_is_allowed():
    from mirstore.core.decoders import _options

    allowed = set(_options["format_whitelist"].split(","))
    assert not allowed & set("concat hls dash image2 image2pipe sdp rtsp webm_dash_manifest lavfi vobsub imf".split())
    assert _options["protocol_whitelist"] == ""


@pytest.mark.parametrize("name", ["odd \N{EIGHTH NOTE}.mp3", "100%d.wav", "-rf.flac", "x:y", "a\nb.ogg"])
def test_names_cannot_hurt(files, tmp_path, name):
    (tmp_path / name).write_bytes(files[".flac"])
    assert decode(tmp_path / name).duration == pytest.approx(1.0)
