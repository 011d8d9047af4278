"""Whisper's words: what is believed, in which language, and that real weights hear what is said and invent nothing."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fetched import needs
from transcripts import believed, file_of, heard, segment, segments_of, silence, words
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import Extractor, TrackError
from mirstore.core.checks import checks_for
from mirstore.core.columns import check_rows
from mirstore.core.errors import ConfigError
from mirstore.core.features import FeatureSet
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import build, resolve
from mirstore_transcript import Transcript, TranscriptSegments
from mirstore_transcript.model import tiny_en


@pytest.fixture(scope="session")
def whisper() -> None:
    """Real weights, fetched once."""
    pytest.importorskip("faster_whisper", reason="the extra 'transcript' is not installed")
    needs(tiny_en)


@dataclass
class Heard(Extractor):
    """One segment, whatever is heard."""

    name = "heard"

    def columns(self):
        return TranscriptSegments().columns()

    def extract(self, track):
        return [segment(0.0, 1.0, " one", " two")]


transcript = FeatureSet("transcript", Transcript(), {"transcript-segments": FeatureSet("heard", Heard())})


@pytest.mark.parametrize("check", checks_for(transcript), ids=lambda check: check.__name__)
def test_keeps_the_contract(check, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where a worker finds Heard
    check(transcript)


def test_pieces_become_words_with_the_times_of_their_ends_and_the_least_probability():
    rows = heard(segment(1.0, 3.0, " Well", "-known", " song", "."))
    assert [(row["word"], row["start"], row["end"], round(row["probability"], 3)) for row in rows] == [
        ("Well-known", 1.0, 2.0, 0.8),
        ("song.", 2.0, 3.0, 0.6),
    ]
    assert {row["segment"] for row in rows} == {0}
    assert {(row["language"], row["language_source"], row["reason"]) for row in rows} == {("en", "assumed", None)}


@pytest.mark.parametrize("doubt", [{"nsp": 0.76}, {"cr": 2.41}, {"lp": -1.01}])
def test_a_segment_beyond_a_bound_has_no_words_and_the_bound_is_a_parameter(doubt):
    rows = heard(segment(0.0, 2.0, " Thank", " you", **doubt), segment(3.0, 4.0, " true"))
    assert words(rows) == ["true"]
    assert [row["segment"] for row in rows] == [0]
    wider = heard(segment(0.0, 2.0, " Thank", " you", **doubt), no_speech=0.9, compression=5.0, logprob=-2.0)
    assert words(wider) == ["Thank", "you"]


def test_words_faster_than_anybody_can_say_them_are_invented():
    crowd = segment(29.98, 30.0, " I", " don't", " know", " what", " to", " do", nsp=0.69, lp=-0.43, cr=0.77)
    assert words(heard(crowd)) == []
    assert words(heard(segment(0.0, 1.0, *[" la"] * 8))) == ["la"] * 8
    assert words(heard(segment(0.0, 1.0, *[" la"] * 12))) == ["la"] * 12
    assert words(heard(segment(0.0, 1.0, *[" la"] * 13))) == []


@pytest.mark.parametrize(
    "pieces",
    [
        [[" Thank", 12.0, 13.4, 0.01], [" you.", 13.4, 13.4, 0.96]],
        [[" oh,", 29.0, 29.5, 0.1], [" oh,", 29.5, 29.5, 0.1], [" oh,", 29.6, 29.6, 0.7]],
    ],
)
def test_words_that_are_unlikely_or_take_no_time_are_invented(pieces):
    crowd = segment(0.0, 30.0, " x") | {"pieces": json.dumps(pieces)}
    assert words(heard(crowd)) == []
    assert words(heard(crowd, anomaly=9.0)) == [text.strip() for text, *_ in pieces]


def test_some_unlikely_words_among_likely_ones_are_kept():
    names = [[" between", 0.0, 0.5, 0.9], [" Inverashiel", 0.5, 1.2, 0.05], [" and", 1.2, 1.4, 0.9]]
    assert len(heard(segment(0.0, 2.0, " x") | {"pieces": json.dumps(names)})) == 3


@pytest.mark.parametrize("said", ["en", "English", "eng", "en-GB"])
def test_nothing_heard_in_a_language_that_the_network_knows_is_an_instrumental(said):
    assert heard(silence(), language=said) == heard(silence(), **{"language": said}) == []


@pytest.mark.parametrize("written", ["no", "nb"])
def test_norwegian_is_one_language_whatever_the_network_calls_it(written):
    assert words(heard(segment(0.0, 1.0, " ja", language=written), language="Norwegian")) == ["ja"]


def test_nothing_heard_where_the_language_is_assumed_is_no_instrumental():
    (row,) = heard(silence(5.0))
    assert row["word"] is None
    assert (row["start"], row["end"], row["language"], row["language_source"]) == (0.0, 5.0, "en", "assumed")
    assert row["reason"] == "no words are heard: nobody sings, or in a language that the network does not know"


@pytest.mark.parametrize(
    ("said", "code", "source", "reason"),
    [
        ("Spanish", "es", "given", "the language is 'es', and the network wrote 'en'"),
        ("Klingon", None, "unknown", "language 'Klingon' is neither a code of ISO 639-1 nor a name that is known here"),
    ],
)
def test_words_of_another_language_are_null_and_the_reason_says_why(said, code, source, reason):
    (row,) = heard(segment(0.0, 2.0, " the", " phantom"), language=said)
    assert (row["word"], row["language"], row["language_source"], row["reason"]) == (None, code, source, reason)


def test_a_language_may_be_required_and_may_be_detected():
    (row,) = heard(segment(0.0, 1.0, " oh"), require_language=True)
    assert (row["word"], row["language_source"], row["reason"]) == (None, "unknown", "the language is not known")
    rows = heard(segment(0.0, 1.0, " oh", language="fr", detected=0.9), require_language=True)
    assert [(row["word"], row["language"], row["language_source"]) for row in rows] == [("oh", "fr", "detected")]
    assert heard(segment(0.0, 1.0, language="fr", detected=0.9, nsp=0.9)) == []


@pytest.mark.parametrize(("share", "told"), [(0.021, "is below 0.05"), (None, "is null")])
def test_words_where_hardly_anybody_sings_are_not_believed_and_the_reason_says_why(share, told):
    (row,) = heard(segment(0.0, 2.0, " Subscribe", " now"), share=share, vocal_share=0.05)
    assert (row["word"], row["end"], row["language_source"]) == (None, 2.0, "assumed")
    assert row["reason"] == f"hardly anybody sings: vocal_share {told}"
    assert words(heard(segment(0.0, 2.0, " Subscribe", " now"), share=share)) == ["Subscribe", "now"]


def test_words_where_somebody_sings_are_believed_or_not_as_without_the_share():
    assert words(heard(segment(0.0, 1.0, " oh"), share=0.06, vocal_share=0.05)) == ["oh"]
    assert heard(segment(0.0, 1.0, " oh", nsp=0.9), share=0.06, vocal_share=0.05, language="en") == []
    (row,) = heard(segment(0.0, 1.0, " oh"), share=0.01, vocal_share=0.05, language="es")
    assert row["reason"] == "the language is 'es', and the network wrote 'en'"  # it is not said that nobody sings


def test_the_share_of_the_voice_is_read_only_if_it_is_asked_for():
    plugins, registry = Plugins.installed(), Registry.load()
    made = resolve(["transcript", "transcript-vocals"], registry, plugins)
    assert list(made["transcript"].inputs) == ["transcript-segments"]
    assert "vocal_share" not in made["transcript"].definition["params"]  # so it is what it was before there was a share
    assert list(made["transcript-vocals"].inputs) == ["transcript-segments", "vocal-share"]
    registry.features["transcript-vocals"].inputs["vocal-share"] = "essentia"
    wrong = resolve(["transcript-vocals"], registry, plugins)["transcript-vocals"]
    with pytest.raises(ConfigError, match="has no column 'vocal_share'"):
        _ = wrong.columns


def test_parameters_are_checked():
    with pytest.raises(ConfigError, match=r"vocal_share=5\.0 must be a share, 0 to 1"):
        build(Transcript, {"vocal_share": 5}, "features.t.params")
    for kind, params in ((Transcript, {"language": "Klingon"}), (TranscriptSegments, {"beam_size": 0})):
        with pytest.raises(ConfigError):
            build(kind, params, "features.t.params")
    with pytest.raises(ConfigError, match="compute_type='int7' must be one of int8"):
        build(TranscriptSegments, {"compute_type": "int7"}, "features.t.params")
    with pytest.raises(ConfigError, match=r"whisper-tiny\.en writes English"):
        build(TranscriptSegments, {"language": "es"}, "features.t.params")


def test_a_folder_of_another_network_counts_by_what_is_in_it(tmp_path):
    def folder(name, content=b"\x06\0\0\0\x0c\0WhisperSpec\0numbers"):
        (tmp_path / name).mkdir()
        for file in ("config.json", "tokenizer.json"):
            (tmp_path / name / file).write_text("{}")
        (tmp_path / name / "model.bin").write_bytes(content)
        return TranscriptSegments(folder=str(tmp_path / name))

    one, same, other = folder("one"), folder("same"), folder("other", b"\x06\0\0\0\x0c\0WhisperSpec\0others")
    assert one.uses() == ()
    assert FeatureSet("a", one).id == FeatureSet("b", same).id != FeatureSet("c", other).id
    with pytest.raises(ConfigError, match=r"holds another kind of network in model\.bin"):
        _ = FeatureSet("pickle", folder("pickle", b"\x80\x02cos\nsystem\n")).id
    (tmp_path / "one" / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"has no tokenizer\.json"):
        _ = FeatureSet("a", one).id


def test_the_registry_has_the_names_for_what_is_heard_and_what_is_given():
    registry = Registry.load()
    made = resolve(["lyrics", "transcript"], registry, Plugins.installed())
    assert made["lyrics"].inputs["words"].extractor.name == "lyric-lines"
    assert list(made["lyrics"].inputs["words"].inputs) == ["transcript"]  # no annotation is called words, or language
    assert list(made["transcript"].inputs) == ["transcript-segments"]
    assert registry.features["transcript-segments-vocals"].inputs == {"audio": "vocals-for-speech"}
    assert registry.features["lyric-lines-vocals"].inputs == {"transcript": "transcript-vocals"}


def test_a_part_of_the_music_can_be_heard_instead_of_the_file():
    registry = Registry.load()
    registry.features["transcript-segments-vocals"].inputs = {"audio": "hpss.harmonic"}
    lyrics = resolve(["lyrics-vocals"], registry, Plugins.installed())["lyrics-vocals"]
    segments = lyrics.inputs["words"].inputs["transcript"].inputs["transcript-segments"]
    assert (segments.inputs["audio"].name, segments.audio) == ("hpss", "harmonic")
    assert segments.id != FeatureSet("transcript-segments", TranscriptSegments()).id


# Texts that are given are used, and nothing is transcribed


@pytest.fixture
def project(tmp_path, monkeypatch, make_wav):
    """Three recordings of noise, and no weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIRSTORE_OFFLINE", "1")
    for number, name in enumerate(("one", "two", "three")):
        make_wav(tmp_path / "music" / f"{name}.wav", 0.3 * np.random.default_rng(number).uniform(-1, 1, 16000), 8000)
    return tmp_path


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


def rows_of(query: str) -> list[dict]:
    return json.loads(run("sql", query, "--json").stdout)


def test_nothing_is_transcribed_where_text_is_given(project):
    (project / "lyrics").mkdir()
    (project / "lyrics" / "one.lyrics.txt").write_text("the cat sat on the mat\nand had a funny hat\n")
    (project / "lyrics" / "two.lyrics.txt").write_text("")
    arguments = ["ingest", "music", "--features", "lyrics", "-j", "1", "--annotation"]
    refused = run(*arguments, "words=lyrics/*.lyrics.txt", code=5)
    assert "weights 'whisper-tiny.en' are missing" in refused.stderr
    assert "mirstore weights fetch whisper-tiny.en" in refused.stderr
    (project / "lyrics" / "three.lyrics.txt").write_text("dog")
    run(*arguments, "words=lyrics/*.lyrics.txt")
    found = rows_of("SELECT total_syllables, rhyme_density, reason FROM lyrics ORDER BY 1")
    assert [row["total_syllables"] for row in found] == [1, 12, None]
    assert found[2]["reason"] == "no words"  # of the empty text
    assert found[1]["rhyme_density"] == 1.0
    assert rows_of("SELECT source, text FROM \"lyric-lines\" WHERE text = 'dog'") == [
        {"source": "given", "text": "dog"}
    ]
    assert rows_of("SELECT count(*) AS rows FROM transcript") == [{"rows": 0}]


def test_the_extractor_alone_reads_what_is_given_and_leaves_the_others(project):
    (project / "one.lrc").write_text("[00:00.10]the cat\n[00:01.00]")
    (project / "registry.toml").write_text(
        'schema = 1\n[features.lyrics]\nextractor = "lyrics@2"\ninputs = { words = "words" }\n'
    )
    run("ingest", "music", "-j", "1", "--annotation", "words=*.lrc")
    assert rows_of("SELECT total_syllables FROM lyrics") == [{"total_syllables": 2}]


# With real weights


american = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def plain(text: str) -> str:
    return " ".join("".join(letter for letter in text.lower() if letter.isalpha() or letter.isspace()).split())


@pytest.mark.slow
def test_speech_becomes_its_words_twice_the_same_without_a_network(whisper, shared, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    samples = file_of(shared / "data/lyrics_speech/speech/jfk.flac").audio(16_000)
    rows = segments_of(samples)
    assert plain(believed(rows)) == american
    assert rows == segments_of(samples)
    assert all(0 <= row["start"] <= row["end"] <= 11.0 for row in rows)
    told = [row for row in heard(*rows, language="en")]
    assert [row["start"] for row in told] == sorted(row["start"] for row in told)
    assert told[0]["start"] < 0.8 < 9.9 < told[-1]["end"] <= 11.0


@pytest.mark.slow
def test_silence_noise_and_a_moment_have_no_words(whisper):
    rng = np.random.default_rng(0)
    for samples in (np.full(30 * 16_000, 1e-6), 0.1 * rng.standard_normal(10 * 16_000), 0.1 * rng.standard_normal(800)):
        assert believed(segments_of(samples)) == ""
        assert heard(*segments_of(samples), language="en") == []


@pytest.mark.slow
def test_instrumental_clips_have_no_words(whisper, shared):
    """Of four of these the network invents words for their last moment, where the three numbers look good."""
    clips = sorted((shared / "data/real_audio/audio").glob("*.ogg"))
    chosen = [clip for clip in clips if "metal" not in clip.name and int(clip.name[1:5]) % 9 == 0][:9]
    chosen += [clip for clip in clips if clip.name[:5] in ("r0029", "r0098", "r0118") and clip not in chosen]
    assert len(chosen) == 12
    extractor = TranscriptSegments()
    for clip in chosen:
        rows = check_rows(extractor.extract(file_of(clip)), extractor.columns())
        assert believed(rows) == "", clip.name


@pytest.mark.slow
def test_a_network_that_is_cut_off_costs_its_track_with_a_reason(whisper, tmp_path):
    shutil.copytree(tiny_en.path(), tmp_path / "cut")
    content = (tmp_path / "cut" / "model.bin").read_bytes()
    (tmp_path / "cut" / "model.bin").write_bytes(content[: len(content) // 2])
    with pytest.raises(TrackError, match="cut: ") as failed:
        segments_of(np.zeros(16_000) + 1e-6, folder=str(tmp_path / "cut"))
    assert failed.value.reason == "wrong model"


class Without:
    """A network on a GPU whose libraries are not there, which it says when it computes."""

    model = SimpleNamespace(is_multilingual=False)

    def __init__(self, says):
        self.says = says

    def transcribe(self, samples, **options):
        def segments():
            raise RuntimeError(self.says)
            yield

        return segments(), SimpleNamespace(language="en", language_probability=1.0)


def test_cuda_libraries_that_are_not_there_are_named_with_what_to_do(monkeypatch):
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    says = "Library libcublas.so.12 is not found or cannot be loaded"
    monkeypatch.setattr(TranscriptSegments, "model", Without(says))
    with pytest.raises(
        TrackError, match=r"libcublas.so.12 .*pip install nvidia-cublas-cu12 .*or CUDA_VISIBLE_DEVICES= before"
    ) as told:
        segments_of(noise)
    assert told.value.reason == "no CUDA libraries"
    monkeypatch.setattr(TranscriptSegments, "model", Without("CUDA failed with error out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        segments_of(noise)


@pytest.mark.slow
def test_only_what_has_no_text_is_transcribed(whisper, shared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "music").mkdir()
    shutil.copy(shared / "data/lyrics_speech/speech/jfk.flac", "music/heard.flac")
    shutil.copy(shared / "data/lyrics_speech/speech/198-209-0000.hq.ogg", "music/given.ogg")
    (tmp_path / "given.lyrics.txt").write_text("one two\nthree four")
    (tmp_path / "registry.toml").write_text('schema = 1\n[features.hpss]\nextractor = "hpss@1"\nkeep = false\n')
    run("ingest", "music", "--features", "lyrics", "-j", "1", "--annotation", "words=*.lyrics.txt")
    assert {row["source"] for row in rows_of('SELECT source FROM "lyric-lines"')} == {"given", "heard"}
    heard_words = rows_of("SELECT DISTINCT path FROM transcript JOIN tracks USING (track)")
    assert [Path(row["path"]).name for row in heard_words] == ["heard.flac"]
    found = rows_of("SELECT total_syllables, words_per_second, language, language_source FROM lyrics ORDER BY 1")
    assert [(row["total_syllables"], row["language_source"]) for row in found] == [(4, "assumed"), (28, "assumed")]
    assert 1.5 < found[1]["words_per_second"] < 3
