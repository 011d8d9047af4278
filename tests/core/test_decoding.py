"""Lengths, losses and levels against FFmpeg's command line: codecs × headers × damage.

Tolerances. A whole file has FFmpeg's length to 30 ms, about one frame of a lossy codec: versions of FFmpeg differ by
what they keep of the padding (the two here agree to the sample). A damaged one has it to 0.25 s: a frame whose checksum
is wrong is left out here, and noise there.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import soundfile

from mirstore.core import AudioError
from mirstore.core.audio import decode

sr = 44100
seconds = 3.3
lossless = [
    "wav",
    "rf64.wav",
    "flac",
    "m4a alac",
    "caf",
    "caf alac",
    "wv",
    "tta",
    "aiff",
    "w64",
    "au",
    "voc",
    "mka flac",
]
formats = {  # name: options of FFmpeg; a word after the suffix only tells files apart
    "wav": "",
    "wav 24": "-c:a pcm_s24le",
    "wav 32": "-c:a pcm_s32le",
    "wav float": "-c:a pcm_f32le",
    "wav double": "-c:a pcm_f64le",
    "wav u8": "-c:a pcm_u8",
    "wav adpcm-ms": "-c:a adpcm_ms",
    "wav adpcm-ima": "-c:a adpcm_ima_wav",
    "wav alaw": "-c:a pcm_alaw",
    "wav mp3": "-c:a libmp3lame",
    "rf64.wav": "-rf64 always",
    "flac": "",
    "flac 24": "-sample_fmt s32",
    "oga flac": "-c:a flac -f ogg",
    "mka flac": "-c:a flac",
    "mp3 cbr": "-b:a 128k",
    "mp3 cbr-without-header": "-b:a 128k -write_xing 0",
    "mp3 vbr": "-q:a 2",
    "mp3 vbr-without-header": "-q:a 2 -write_xing 0",
    "mp3 mono": "-ac 1 -ar 22050",
    "mp3 11025": "-ar 11025",
    "ogg": "-c:a libvorbis",
    "ogg mono": "-c:a libvorbis -ac 1 -ar 22050",
    "opus": "-c:a libopus",
    "spx": "-c:a libspeex -ac 1 -ar 16000",
    "aac": "-ar 32000",
    "m4a": "",
    "m4a fast": "-movflags +faststart",
    "m4a alac": "-c:a alac",
    "m4b": "-f ipod",
    "mov": "",
    "3gp": "-c:a aac",
    "mp4": "-c:a aac",
    "wma": "-c:a wmav2",
    "wma 1": "-c:a wmav1",
    "wv": "",
    "aiff": "",
    "aifc float": "-c:a pcm_f32be -f aiff",
    "aifc qt": "-c:a adpcm_ima_qt -f aiff",
    "caf": "",
    "caf alac": "-c:a alac",
    "au": "",
    "w64": "",
    "voc": "-c:a pcm_s16le",
    "tta": "",
    "mp2": "",
    "ac3": "",
    "eac3": "",
    "dts": "-c:a dca -strict -2",
    "thd": "-c:a truehd -strict -2",
    "mka": "-c:a libvorbis",
    "webm": "-c:a libopus",
    "avi": "-c:a libmp3lame",
    "flv": "-c:a libmp3lame",
    "mpg": "-c:a mp2",
    "ts": "-c:a mp2",
    "rm": "-c:a ac3 -f rm",
    "sox": "",
    "latm": "-c:a aac",
}
streamed = {"wav": "-f wav", "flac": "-f flac", "aac": "-f adts", "webm": "-c:a libvorbis -f webm", "au": "-f au",
            "caf": "-f caf", "wma": "-c:a wmav2 -f asf", "mp3": "-f mp3", "ogg": "-c:a libvorbis -f ogg"}  # fmt: skip


@pytest.fixture(scope="module")
def made(ffmpeg, tmp_path_factory):
    """Make a file of a format, once; the music is noise whose spectrum and level move, left and right differ."""
    folder = tmp_path_factory.mktemp("formats")
    time = np.arange(int(seconds * sr)) / sr
    noise = np.random.default_rng(3).standard_normal((2, len(time)))
    smooth = np.stack([np.convolve(row, np.hanning(9) / 4.5, mode="same") for row in noise])
    level = 0.1 * (1 + np.sin(2 * np.pi * np.outer([0.7, 1.1], time)))
    music = level * smooth + 0.2 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(folder / "music.wav", music.T, sr, subtype="PCM_16")

    def make(name, options=None):
        suffix, _, rest = name.partition(" ")
        path = folder / f"{rest or 'plain'}.{suffix}"
        if not path.exists():
            words = (formats[name] if options is None else options).split()
            done = ffmpeg("-i", folder / "music.wav", "-map_metadata", "-1", *words, path)
            if "Unknown encoder" in done.stderr.decode():
                pytest.skip(f"this FFmpeg has no encoder for {name}")
            assert path.exists(), done.stderr.decode()
        return path

    return make


@pytest.fixture(scope="module")
def reference(ffmpeg):
    """Decode a file's first audio stream by the command line [shape=(channels, n)]."""

    def read(path, channels, rate):
        words = ("-i", path, "-map", "0:a:0", "-ac", channels, "-ar", rate, "-f", "f32le", "-")
        return np.frombuffer(ffmpeg(*words).stdout, "<f4").reshape(-1, channels).T

    return read


def correlation(a, b):
    n = min(a.shape[-1], b.shape[-1])
    return np.corrcoef(a[..., :n].ravel(), b[..., :n].ravel())[0, 1]


@pytest.mark.parametrize("name", formats)
def test_a_whole_file_has_the_length_and_the_samples_of_ffmpeg(made, reference, name):
    audio = decode(made(name))
    truth = reference(made(name), audio.channels, audio.sr)
    assert audio.samples.shape[1] == pytest.approx(truth.shape[1], abs=0.03 * audio.sr)
    assert audio.duration == pytest.approx(seconds, abs=0.1)
    assert correlation(audio.samples, truth) > 0.999  # neither shifted nor scaled …
    assert np.std(audio.samples) == pytest.approx(np.std(truth), rel=0.01)  # … nor louder
    assert audio.warnings == ()


@pytest.mark.parametrize("suffix", streamed)
def test_a_stream_has_its_whole_length(ffmpeg, made, reference, tmp_path, suffix):
    path = tmp_path / f"streamed.{suffix}"
    path.write_bytes(ffmpeg("-i", made("wav"), *streamed[suffix].split(), "-").stdout)
    audio = decode(path)
    assert audio.samples.shape[1] == pytest.approx(reference(path, 2, audio.sr).shape[1], abs=0.03 * audio.sr)
    assert audio.warnings == ()


@pytest.mark.parametrize("suffix", ["aiff", "w64"])
def test_a_stream_that_ffmpeg_does_not_read_is_read_by_the_second_decoder(ffmpeg, made, tmp_path, suffix):
    path = tmp_path / f"streamed.{suffix}"
    path.write_bytes(ffmpeg("-i", made("wav"), "-f", suffix, "-").stdout)
    assert decode(path).samples_sha256 == decode(made("wav")).samples_sha256


def test_lossless_copies_have_one_hash(made):
    assert len({decode(made(name)).samples_sha256 for name in lossless}) == 1
    assert decode(made("wav 24")).samples_sha256 == decode(made("flac 24")).samples_sha256
    assert len({decode(made(name)).samples_sha256 for name in ("wav", "wav u8", "mp3 vbr", "ogg mono")}) == 4


def test_the_hash_tells_rates_and_channels_apart(tmp_path):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 44100)
    for name, samples, rate in (("a", x, 44100), ("b", x, 22050), ("c", x.reshape(-1, 2), 44100)):
        soundfile.write(tmp_path / f"{name}.wav", samples, rate)
    assert len({decode(path).samples_sha256 for path in tmp_path.iterdir()}) == 3


@pytest.mark.parametrize("name", ["mp3 vbr", "mp3 vbr-without-header", "mp3 cbr", "ogg", "opus", "flac"])
def test_joined_files_are_read_whole(made, reference, tmp_path, name):
    path = tmp_path / f"joined.{name.split()[0]}"
    path.write_bytes(2 * made(name).read_bytes())
    audio = decode(path)
    assert audio.duration == pytest.approx(2 * decode(made(name)).duration, abs=0.1)  # the padding between them stays
    if name != "flac":  # FFmpeg 5's command line loses the frames around the second beginning
        assert audio.samples.shape[1] == pytest.approx(reference(path, 2, audio.sr).shape[1], abs=0.03 * audio.sr)


def test_joined_files_of_two_formats_are_converted_and_told(made, tmp_path):
    path = tmp_path / "joined.mp3"
    path.write_bytes(made("mp3 vbr").read_bytes() + made("mp3 mono").read_bytes())
    audio = decode(path)
    assert (audio.sr, audio.channels) == (44100, 2)
    assert audio.duration == pytest.approx(2 * seconds, abs=0.1)
    assert any(
        re.search(r"3\.\d+ s at 0:03\.3 are 22050 Hz with 1 channels: converted", text) for text in audio.warnings
    )


def test_tags_around_an_mp3_change_nothing(made, tmp_path):
    bare = made("mp3 vbr").read_bytes()
    size = 300_000
    front = b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + bytes(size)
    tail = b"APETAGEX" + (2000).to_bytes(4, "little") + (532).to_bytes(4, "little") + bytes(16) + b"x" * 500
    (tmp_path / "tagged.mp3").write_bytes(front + bare + tail)
    assert decode(tmp_path / "tagged.mp3").samples_sha256 == decode(made("mp3 vbr")).samples_sha256
    (tmp_path / "cut.mp3").write_bytes(front + bare[: len(bare) * 7 // 10])
    assert any("that its header promises" in text for text in decode(tmp_path / "cut.mp3").warnings)


damaged = ["flac", "flac 24", "mp3 cbr", "mp3 vbr", "mp3 vbr-without-header", "ogg", "opus", "aac", "m4a", "m4a alac",
           "wma", "wv", "aiff", "caf", "mp2", "ac3", "w64", "mka", "webm", "wav", "tta"]  # fmt: skip


@pytest.mark.parametrize("percent", [10, 30, 60, 90])
@pytest.mark.parametrize("name", damaged)
def test_damage_costs_what_it_costs_ffmpeg_and_is_told(made, reference, tmp_path, name, percent):
    data = bytearray(made(name).read_bytes())
    at = len(data) * percent // 100
    data[at : at + 60] = np.random.default_rng(percent).bytes(60)
    path = tmp_path / f"damaged.{name.split()[0]}"
    path.write_bytes(data)
    whole, audio = decode(made(name)), decode(path)
    truth = reference(path, 2, audio.sr).shape[1] / audio.sr
    unit = 1.05 if name == "tta" else 0.25
    assert truth - unit < audio.duration < truth + 0.03
    lost = whole.duration - audio.duration
    if lost > 0.005:
        assert audio.warnings
    if name in ("flac", "m4a", "m4a alac", "wv"):  # where: said to the packet
        told = sum(float(ms) for text in audio.warnings for ms in re.findall(r"(\d+) ms (?:lost|are missing)", text))
        assert told / 1000 == pytest.approx(lost, abs=0.003)


promising = [
    "wav", "wav 24", "rf64.wav", "flac", "mp3 cbr", "mp3 vbr", "m4a fast", "aiff", "caf", "w64", "au", "wma", "wv",
    "mka", "webm",
]  # fmt: skip


@pytest.mark.parametrize("name", promising)
def test_what_is_cut_is_told_by_how_much_and_refused_below_half(made, reference, tmp_path, name):
    data, path = made(name).read_bytes(), tmp_path / f"cut.{name.split()[0]}"
    path.write_bytes(data[: len(data) * 8 // 10])
    audio = decode(path)
    assert audio.samples.shape[1] == pytest.approx(reference(path, 2, audio.sr).shape[1], abs=0.03 * audio.sr)
    (text,) = [text for text in audio.warnings if "promises" in text]
    missing = float(re.search(r"(\d+) ms are missing", text)[1]) / 1000
    assert missing == pytest.approx(decode(made(name)).duration - audio.duration, abs=0.05)
    path.write_bytes(data[: len(data) * 3 // 10])
    with pytest.raises(AudioError, match=r"has [01]\.\d+ s of the 3\.\d+ s that its header promises") as error:
        decode(path)
    assert error.value.reason == "truncated"


@pytest.mark.parametrize("name", ["mp3 vbr-without-header", "aac", "ogg", "mp2", "ac3"])
def test_what_promises_nothing_is_never_refused_for_its_length(made, reference, tmp_path, name):
    data, path = made(name).read_bytes(), tmp_path / f"cut.{name.split()[0]}"
    path.write_bytes(data[: len(data) * 4 // 10])
    audio = decode(path)
    assert audio.samples.shape[1] == pytest.approx(reference(path, 2, audio.sr).shape[1], abs=0.03 * audio.sr)
    assert not any("promises" in text for text in audio.warnings)
    assert (name == "ogg") == any("last Ogg page" in text for text in audio.warnings)


def test_an_mpeg_4_file_without_its_index_says_so(made, tmp_path):
    (tmp_path / "cut.m4a").write_bytes(made("m4a").read_bytes()[:-2000])
    with pytest.raises(AudioError, match=r"begins as MPEG-4, .*index is missing") as error:
        decode(tmp_path / "cut.m4a")
    assert error.value.reason == "corrupt"


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "flac"), ("wmv", "wmav2"), ("mp4", "aac"), ("ogv", "libvorbis")])
def test_a_film_that_is_longer_than_its_music_promises_nothing(ffmpeg, made, tmp_path, suffix, codec):
    picture = ("-f", "lavfi", "-i", "color=s=64x64:r=5:d=9")
    path = tmp_path / f"film.{suffix}"
    done = ffmpeg(*picture, "-i", made("wav"), "-c:a", codec, path)
    assert path.exists(), done.stderr
    audio = decode(path)
    assert audio.duration == pytest.approx(seconds, abs=0.1)
    assert audio.warnings == ()


def test_a_second_audio_stream_is_told(ffmpeg, made, tmp_path):
    ffmpeg("-i", made("wav"), "-i", made("mp3 mono"), "-map", 0, "-map", 1, "-c:a", "flac", tmp_path / "two.mka")
    assert decode(tmp_path / "two.mka").warnings == ("only the first of its 2 audio streams is read",)


@pytest.mark.parametrize(
    ("case", "duration"),
    [
        ("mp3_vbr_without_header.mp3", 6.06),
        ("mp3_vbr_quiet_start.mp3", 7.05),
        ("flac_streamed_without_total.flac", 140.0),
    ],
)
def test_the_cases_from_the_field(shared, case, duration):
    audio = decode(shared / "cases" / case)
    assert audio.duration == pytest.approx(duration, abs=0.005)
    assert audio.warnings == ()
    if case.startswith("flac"):  # a tone at 0–1 s and at 136–140 s
        assert np.std(audio.mono[: audio.sr]) > 0.1
        assert np.std(audio.mono[-3 * audio.sr :]) > 0.1
