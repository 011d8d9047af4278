"""Lyrics: each of the nine numbers against what can be counted by hand, and texts that no dictionary knows."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import Audio, Column, Extractor
from mirstore.core.checks import checks_for
from mirstore.core.columns import check_rows
from mirstore.core.errors import ConfigError, TrackError
from mirstore.core.features import FeatureSet
from mirstore.core.inputs import Inputs
from mirstore.core.resolve import build
from mirstore.core.tracks import Track
from mirstore.store.ingest.annotation_files import read
from mirstore_groupings.names import lyrical
from mirstore_lyrics import LyricLines, Lyrics
from mirstore_lyrics.measures import pairs, rhyme_density
from mirstore_lyrics.sounds import pronunciation, spelled, spoken, spoken_syllables
from mirstore_lyrics.syllables import by_spelling
from mirstore_lyrics.words import lines, words

start = Column(pl.Float64, "s", "begin", (0, None))
end = Column(pl.Float64, "s", "end", (0, None), nullable=True)
text = Column(pl.String, "", "words", nullable=True)
number = Column(pl.Int32, "", "segment")
whole = {"text": text}
timed = {"start": start, "end": end, "text": text}
transcript = {"start": start, "end": end, "word": text, "segment": number}
codes = {"English": "en", "Spanish": "es", "French": "fr", "German": "de"}
verse = """The cat sat on the mat
and the big bad dog
had a funny hat
sat on a hollow log"""


@dataclass
class Song(Extractor):
    """The verse, whatever is heard."""

    name = "song"

    def columns(self):
        return whole

    def extract(self, track):
        return {"text": verse}


def given_by(declared):
    """Return a feature set of texts that nobody computes here."""

    @dataclass
    class Given(Extractor):
        name = "given"

        def columns(self):
            return declared

        def extract(self, track):
            raise AssertionError

    return FeatureSet("words", Given())


def run(rows, columns=whole, recording=None, **params):
    """Return the row that the extractor gives, checked as a worker does."""
    feature = FeatureSet("lyrics", Lyrics(**params), {"words": given_by(columns)})
    track = Track("t", Path("t.wav"), Inputs(feature, {feature.inputs["words"].id: rows}), recording=recording)
    (found,) = check_rows(feature.extractor.extract(track), feature.columns)
    return found


def of(song, **params):
    """Return the row of a text, taken for English."""
    return run([{"text": song}], **{"language": "en"} | params)


def numbers(row):
    return {name: row[name.replace("-", "_")] for name in lyrical}


song = FeatureSet("lyrics", Lyrics(), {"words": FeatureSet("song", Song())})


@pytest.mark.parametrize("check", checks_for(song), ids=lambda check: check.__name__)
def test_keeps_the_contract(check, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where a worker finds Song
    check(song)


given_lines = FeatureSet("lyric-lines", LyricLines(), {"words": FeatureSet("song", Song())})


@pytest.mark.parametrize("check", checks_for(given_lines), ids=lambda check: check.__name__)
def test_given_lines_keep_the_contract(check, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    check(given_lines)


def test_it_has_the_nine_numbers_that_groupings_ask_for():
    columns = FeatureSet("lyrics", Lyrics(), {"words": given_by(whole)}).columns
    assert [name for name, column in columns.items() if column.dtype.is_numeric()] == [
        name.replace("-", "_") for name in lyrical
    ]


def test_alliteration_is_the_share_of_near_words_that_begin_with_one_consonant():
    # Pairs: big-bad, bad-dog, dog-knew, big-dog, bad-knew. Two letters may be one sound: knew begins as no does.
    assert of("big bad dog knew")["alliteration"] == pytest.approx(1 / 5)
    assert of("no knave")["alliteration"] == 1
    assert of("phone fun")["alliteration"] == 1
    assert of("city cat")["alliteration"] == 0
    assert of("apple and orange")["alliteration"] == 0  # vowels do not alliterate


def test_words_alliterate_over_one_word_and_not_over_two():
    assert of("peter and paul")["alliteration"] == pytest.approx(1 / 3)
    assert of("peter and old paul")["alliteration"] == 0  # of five pairs


def test_assonance_is_the_share_of_near_words_with_one_stressed_vowel():
    # Pairs: time-my, my-bone, time-bone: long i in two.
    assert of("time my bone")["assonance"] == pytest.approx(1 / 3)
    assert of("great rain")["assonance"] == 1  # EY, spelled in two ways
    assert of("love move")["assonance"] == 0  # AH and UW, spelled in one


def test_consonance_is_the_share_of_near_words_that_end_with_one_consonant():
    assert of("blank think")["consonance"] == 1
    assert of("blank thing")["consonance"] == 0
    assert of("laugh off now")["consonance"] == pytest.approx(1 / 3)
    assert of("go now")["consonance"] == 0  # both end with a vowel


def test_a_word_that_comes_again_is_no_pair_with_itself():
    row = of("love love")
    assert row["alliteration"] is row["assonance"] is row["consonance"] is None
    assert "no two near words" in row["reason"]


def test_rhyme_density_is_the_share_of_lines_that_rhyme():
    assert of(verse)["rhyme_density"] == 1  # mat, dog, hat, log
    assert of("in the day\nof the night\nfar away\nis a tree")["rhyme_density"] == 0.5
    assert of("what I said\nis in red\nis the sea")["rhyme_density"] == pytest.approx(2 / 3)


def test_a_word_does_not_rhyme_with_itself_nor_with_a_line_that_is_far_away():
    assert of("come again\nonce again")["rhyme_density"] == 0
    away = "the cat\none\ntwo\n{}the hat"
    assert of(away.format(""))["rhyme_density"] == 0.5
    assert of(away.format("three\n"))["rhyme_density"] == 0


def test_rhymes_go_by_the_last_stressed_vowel():
    assert of("motion\nocean")["rhyme_density"] == 1
    assert of("banking\nsinging")["rhyme_density"] == 0


def test_one_line_has_no_rhymes():
    row = of("roses are red")
    assert row["rhyme_density"] is None
    assert "no two lines" in row["reason"]


def test_syllables_are_vowels_as_pronounced():
    row = of("every little nation is here")  # 3 + 2 + 2 + 1 + 1, or 2 for every
    assert row["total_syllables"] == spoken_syllables("every") + 6
    assert row["syllables_per_word"] == row["total_syllables"] / 5
    assert [spoken_syllables(word) for word in ("time", "nation", "beautiful", "I", "rhythm")] == [1, 2, 3, 1, 2]


def test_repetition_and_diversity_count_words():
    row = of("go go go\nand stay and rest")  # go thrice, and twice, stay, rest
    assert row["repetition_rate"] == pytest.approx(5 / 7)
    assert row["lexical_diversity"] == pytest.approx(4 / 7)


def test_words_per_second_go_from_the_first_word_to_the_end_of_the_last():
    rows = [
        {"start": 0.0, "end": 8.0, "text": "♪"},
        {"start": 8.0, "end": 10.0, "text": "one two three"},
        {"start": 11.0, "end": 13.0, "text": "four five"},
        {"start": 13.0, "end": 60.0, "text": ""},
    ]
    assert run(rows, timed, language="en")["words_per_second"] == 1.0


def test_lines_without_ends_last_until_the_next_begins():
    columns = {"start": start, "text": text}
    rows = [{"start": 4.0, "text": "one two three"}, {"start": 6.0, "text": "four five six"}]
    assert run(rows, columns)["words_per_second"] == 1.5  # nobody knows how long the last one lasts
    assert run([*rows, {"start": 7.0, "text": ""}], columns)["words_per_second"] == 2.0  # as files with pauses say


def test_the_last_line_ends_where_the_next_row_begins_however_many_there_are():
    columns = {"start": start, "text": text}
    rows = [{"start": 10.0, "text": "one two three"}, {"start": 12.0, "text": ""}, {"start": 19.0, "text": ""}]
    assert run(rows, columns)["words_per_second"] == 1.5


def test_one_line_that_never_ends_has_no_words_per_second_and_the_reason():
    row = run([{"start": 10.0, "text": "one two three"}], {"start": start, "text": text})
    assert row["words_per_second"] is None
    assert "words per second need to know when words end" in row["reason"]


def test_words_per_second_of_the_track_count_its_length():
    silence = Audio(np.zeros((1, 80_000), np.float32), 8000, "pcm", "none", ("FC",))
    assert run([{"text": "one two"}], recording=silence, per="track")["words_per_second"] == 0.2


def test_text_without_times_has_no_words_per_second():
    row = of(verse)
    assert row["words_per_second"] is None
    assert row["reason"] == "words per second need times"


def test_words_of_a_transcript_are_lines_by_segment():
    rows = [
        {"start": float(at), "end": at + 0.5, "word": f" {word},", "segment": segment}
        for at, (word, segment) in enumerate([("The", 0), ("cat", 0), ("a", 1), ("hat", 1)])
    ]
    row = run(rows, transcript, language="en")
    assert row["rhyme_density"] == 1
    assert row["words_per_second"] == pytest.approx(4 / 3.5)
    unsegmented = [{name: value for name, value in row.items() if name != "segment"} for row in rows]
    without = run(unsegmented, {k: v for k, v in transcript.items() if k != "segment"}, language="en")
    assert without["rhyme_density"] is None  # one line
    assert without["assonance"] == pytest.approx(1 / 5)  # cat and hat, with the end of a line between


@pytest.mark.parametrize("name", ["line", "text", "lyrics", "words"])
def test_lines_are_rows_whatever_segment_they_are_in(name):
    columns = {"start": start, "end": end, name: text, "segment": number}
    rows = [
        {"start": 2.0 * at, "end": 2.0 * at + 2, name: line, "segment": 0} for at, line in enumerate(verse.split("\n"))
    ]
    assert run(rows, columns, language="en")["rhyme_density"] == 1
    assert run(rows[:2], columns, language="en")["rhyme_density"] == 0


def test_lines_with_times_say_what_the_whole_text_says():
    rows = [{"start": float(at), "end": at + 1.0, "text": line} for at, line in enumerate(verse.splitlines())]
    ours, theirs = numbers(run(rows, timed, language="en")), numbers(of(verse))
    assert ours | {"words-per-second": None} == theirs
    assert ours["words-per-second"] == 20 / 4


vocabulary = ["love", "Night", "away", "the", "moving", "señor", "don't", "fire", "grrr", "la", "sky", "xyzzyq", "high"]
songs = st.lists(st.lists(st.sampled_from(vocabulary), min_size=1, max_size=6), min_size=1, max_size=6)


@given(songs)
def test_case_punctuation_and_empty_lines_do_not_matter(song):
    plain = "\n".join(" ".join(line) for line in song)
    noisy = "\n\n♪\n".join(" … ".join(f"“{word.upper()}”!" for word in line) + "?" for line in song)
    assert of(plain) == of(noisy)


@given(songs, st.randoms())
def test_the_order_of_lines_matters_to_rhymes_alone(song, random):
    shuffled = random.sample(song, len(song))
    one, other = (numbers(of("\n".join(" ".join(line) for line in each))) for each in (song, shuffled))
    assert {name: value for name, value in one.items() if name != "rhyme-density"} == pytest.approx(
        {name: value for name, value in other.items() if name != "rhyme-density"}
    )


@given(songs)
def test_a_song_backwards_sounds_alike(song):
    text = [[word.lower() for word in line] for line in song]
    assert pairs(text, spoken) == pytest.approx(pairs([line[::-1] for line in text[::-1]], spoken))
    assert rhyme_density(text, spoken) == rhyme_density(text[::-1], spoken)


@given(st.text(max_size=300))
def test_any_text_has_a_row_with_or_without_words(song):
    for params in ({}, {"sounds": "letters"}, {"language": "es"}):
        assert (run([{"text": song}], **params)["reason"] == "no words") == (not lines([song]))


def test_words_are_letters_with_inner_apostrophes():
    assert words("Rock’n’roll, 'til 5 a.m. – «Ñandú» well-known 👩‍🎤") == [
        "rock'n'roll", "til", "a", "m", "ñandú", "well", "known",
    ]  # fmt: skip
    assert words("Cafe\N{COMBINING ACUTE ACCENT} co\N{SOFT HYPHEN}operate") == ["café", "cooperate"]
    assert words("प्यार करता") == ["प्यार", "करता"]  # vowel signs are marks


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("dont", "D OW1 N T"), ("dreamin", "D R IY1 M IH0 NG"), ("looove", "L AH1 V"),
        ("sunbeams", "S AH1 N B IY2 M Z"), ("goood", "G UH1 D"), ("moonsong", "M UW1 N S AO2 NG"), ("xyzzyq", None),
        ("café", "K AH0 F EY1"), ("naïve", "N AY2 IY1 V"), ("fiancés", "F IY0 AA1 N S EY2 Z"), ("mañana", None),
    ],
)  # fmt: skip
def test_words_that_the_dictionary_lacks_are_made_of_those_that_it_has(word, phones):
    assert pronunciation(word) == phones


def test_an_unknown_word_has_syllables_and_no_sounds():
    assert spoken("xyzzyq") is None
    assert spoken_syllables("unfriendable") == 4
    assert of("xyzzyq zyxxyq")["alliteration"] is None


@pytest.mark.parametrize(
    ("language", "counts"),
    [
        ("es", {"corazón": 3, "miedo": 2, "poesía": 4, "ahora": 3, "ciudad": 2, "leyenda": 3, "oír": 2, "quien": 1}),
        ("fr", {"liberté": 3, "petite": 2, "homme": 1, "été": 2, "exactement": 4, "oiseau": 2, "je": 1, "nuit": 1}),
        ("de", {"wunderbar": 3, "straße": 2, "bauen": 2, "liebe": 2, "heute": 2, "freuen": 2, "aber": 2, "zeit": 1}),
        ("ru", {"любовь": 2}),
    ],
)
def test_syllables_of_other_languages_come_from_spelling(language, counts):
    assert {word: by_spelling(word, language) for word in counts} == counts


def test_another_language_has_syllables_and_no_sounds():
    row = of("mi corazón\ntiene razón", language="es")
    assert row["total_syllables"] == 8
    assert {row[name] for name in ("alliteration", "assonance", "consonance", "rhyme_density")} == {None}
    assert "pronunciations are known of English, not of 'es'" in row["reason"]


def test_letters_sound_in_any_language_with_latin_ones():
    row = of("mi mano\ntiene un hermano", language="es", sounds="letters")
    # mi-mano; tiene-un, un-hermano, tiene-hermano: m, and no vowel or last consonant is shared.
    assert (row["alliteration"], row["assonance"], row["consonance"]) == (0.25, 0, 0)
    assert row["rhyme_density"] == 1
    assert spelled("любовь") is None
    assert [spelled(word).rhyme for word in ("gasse", "straße", "żoł", "bøn", "lær")] == [
        "asse",
        "asse",
        "ol",
        "on",
        "aer",
    ]
    assert of("phone fun\ncity cat", sounds="letters")["alliteration"] == 0.5


def test_a_language_without_hyphenation_has_no_syllables():
    row = of("tere tulemast", language="xx")
    assert row["total_syllables"] is None
    assert "no hyphenation of language 'xx'" in row["reason"]
    assert row["lexical_diversity"] == 1


def test_the_language_is_given_by_the_parameter_or_the_input_or_assumed():
    columns = {**whole, "language": text, "language_source": text}
    said = [{"text": verse, "language": "en-GB", "language_source": "detected"}]
    assert _language(run(said, columns)) == ("en", "detected")
    assert _language(run(said, columns, language="fr")) == ("fr", "given")
    assert _language(run([{"text": verse, "language": "de", "language_source": None}], columns)) == ("de", "given")
    assert _language(run([{"text": verse, "language": None, "language_source": None}], columns)) == ("en", "assumed")
    assert _language(run([{"text": verse}])) == ("en", "assumed")
    assumed = [{"text": verse, "language": "en", "language_source": "assumed"}]
    assert _language(run(assumed, columns)) == ("en", "assumed")
    assert _language(run(assumed, columns, require_language=True)) == (None, "unknown")


def _language(row):
    return row["language"], row["language_source"]


@pytest.mark.parametrize(
    ("said", "code"),
    [("English", "en"), ("Spanish", "es"), ("eng", "en"), ("ger", "de"), ("deu", "de"), ("no", "nb"), ("pt_BR", "pt")],
)
def test_a_language_is_known_by_its_names(said, code):
    columns = {**whole, "language": text}
    assert _language(run([{"text": verse, "language": said}], columns)) == (code, "given")
    assert _language(run([{"text": verse}], language=said)) == (code, "given")
    assert by_spelling("aften", code) is not None


def test_a_language_of_an_unknown_name_is_unknown_and_the_reason_says_it():
    row = run([{"text": verse, "language": "Klingon"}], {**whole, "language": text})
    assert _language(row) == (None, "unknown")
    assert row["reason"].startswith("language 'Klingon' is neither a code of ISO 639-1 nor a name")
    assert row["total_syllables"] is row["rhyme_density"] is None


def test_a_text_that_does_not_look_english_is_not_taken_for_it():
    row = run([{"text": "quiero decirte con dos palabras lo que entristece a mi corazón"}])
    assert _language(row) == (None, "unknown")
    assert "too few to assume that it is English" in row["reason"]
    assert row["total_syllables"] is row["alliteration"] is None
    assert row["lexical_diversity"] == 1


def test_no_language_need_be_assumed():
    row = run([{"text": verse}], require_language=True)
    assert _language(row) == (None, "unknown")
    assert row["rhyme_density"] is None
    assert "the language is not known" in row["reason"]
    assert run([{"text": verse}], require_language=True, language="en")["rhyme_density"] == 1


@pytest.mark.parametrize("song", [None, "", " \n", "♪♪", "🎵🎶 ❤️", "ℹ️", "1 2 3 4", "..."])
def test_without_words_all_is_null_for_that_reason(song):
    for row in (run([{"text": song}]), run([])):
        assert set(numbers(row).values()) == {None}
        assert (row["language"], row["language_source"], row["reason"]) == (None, "unknown", "no words")


@pytest.mark.parametrize("song", ["我爱你 你爱我", "愛してる", "ฉันรักเธอ"])
def test_scripts_without_blanks_have_nulls_and_the_reason(song):
    row = run([{"text": song}])
    assert set(numbers(row).values()) == {None}
    assert "no blanks" in row["reason"]


def test_a_hundred_thousand_words_are_a_song_too():
    row = of("love me like you do and never go away\n" * 12_500)
    assert row["total_syllables"] == 137_500
    assert row["lexical_diversity"] == 9 / 112_500


def test_a_word_of_a_hundred_thousand_letters_is_a_word():
    assert of("ab" * 50_000)["lexical_diversity"] == 1


@pytest.mark.parametrize(
    ("columns", "params", "found"),
    [
        ({"start": start}, {}, "no column that must be the text"),
        ({"singer": text, "mood": text}, {}, "no column that must be the text"),
        ({"text": text}, {"column": "txt"}, "no column of text 'txt'"),
        ({"text": number}, {}, "no column that must be the text"),
    ],
)
def test_what_has_no_text_is_refused(columns, params, found):
    with pytest.raises(ConfigError, match=found):
        _ = FeatureSet("lyrics", Lyrics(**params), {"words": given_by(columns)}).columns


def test_a_table_of_one_row_may_hold_the_whole_text(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "lyrics.md").read_text()
    (tmp_path / "cat.csv").write_text(page.split("```text\n")[1].split("```")[0])
    parsed = read(tmp_path / "cat.csv")[""]
    row = run(parsed.rows, parsed.columns, language="en")
    assert (row["rhyme_density"], row["words_per_second"]) == (1, 11 / 180)


def test_the_column_can_be_named():
    rows = [{"singer": "Ann", "mood": "love love"}]
    assert run(rows, {"singer": text, "mood": text}, column="mood")["lexical_diversity"] == 0.5


def test_a_language_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="language='Klingon' must be a code"):
        Lyrics(language="Klingon")


@pytest.mark.parametrize("params", [{"sounds": "ears"}, {"per": "minute"}])
def test_parameters_are_checked(params):
    with pytest.raises(ConfigError, match=next(iter(params))):
        build(Lyrics, params, "lyrics")


def test_forty_songs_have_the_numbers_of_songs(shared):
    folder = shared / "data/lyrics_speech/jamendolyrics"
    with (folder / "index.csv").open() as file:
        index = list(csv.DictReader(file))
    assert len(index) == 40
    for song in index:
        name, language = song["Filepath"].removesuffix(".mp3"), codes[song["Language"]]
        parsed = read(folder / "lines" / f"{name}.csv")[""]
        row = run(parsed.rows, parsed.columns, language=language)
        whole_text = of((folder / "lyrics" / f"{name}.txt").read_text(), language=language)
        assert numbers(row) | {"words-per-second": None} == numbers(whole_text), name
        assert 1.05 < row["syllables_per_word"] < 2
        assert 0.6 < row["words_per_second"] < 3.5
        assert 0.15 < row["lexical_diversity"] < 0.7
        assert 0.45 < row["repetition_rate"] < 1
        assert (row["alliteration"] is None) == (language != "en")
        assumed = run(parsed.rows, parsed.columns)
        assert assumed["language"] == ("en" if language == "en" else None), name


def lines_of(words=None, transcript=None, language=None):
    """Return the lines of what is given and heard, checked as a worker does."""
    inputs = {"words": words, "transcript": transcript}
    frames = {name: pl.DataFrame(rows) for name, rows in inputs.items() if rows is not None}
    if language:
        frames["language"] = pl.DataFrame({"start": [0.0], "text": [language]})
    extractor = LyricLines()
    columns = extractor.columns({"words": whole})
    return check_rows(extractor.extract(Track("t", Path("t.wav"), frames)), columns)


heard = {"start": [1.0, 1.5, 4.0], "end": [1.5, 2.0, 5.0], "word": ["Oh,", "yes", "no"], "segment": [0, 0, 1]}


def test_lines_are_those_given_and_else_those_heard():
    given = {"start": [0.0], "text": ["a line\nand another"]}
    (line,) = lines_of(given, heard, "English")
    assert (line["text"], line["source"]) == ("a line\nand another", "given")
    assert (line["language"], line["language_source"]) == ("English", "given")
    said = heard | {
        "language": ["en"] * 3,
        "language_source": ["assumed"] * 3,
        "reason": pl.Series([None] * 3, dtype=pl.String),
    }
    found = lines_of(None, said, "English")
    assert [(row["start"], row["end"], row["text"]) for row in found] == [(1.0, 2.0, "Oh, yes"), (4.0, 5.0, "no")]
    assert {(row["source"], row["language"], row["language_source"]) for row in found} == {("heard", "en", "assumed")}


def test_an_empty_given_text_is_an_instrumental_whatever_is_heard():
    assert lines_of({"start": pl.Series([], dtype=pl.Float64), "text": pl.Series([], dtype=pl.String)}, heard) == []


def test_without_text_and_transcript_there_are_no_lines():
    with pytest.raises(TrackError, match="no text is given, and none could be heard"):
        lines_of()


def test_words_that_are_not_known_are_null_and_the_reason_is_passed_on():
    told = {"start": [0.0], "end": [9.0], "word": pl.Series([None], dtype=pl.String), "segment": [None]}
    said = told | {"language": ["es"], "language_source": ["given"], "reason": ["the language is 'es'"]}
    schema = {name: column.dtype for name, column in LyricLines().columns({}).items()}
    found = pl.DataFrame(lines_of(None, said), schema)
    row = Lyrics().extract(Track("t", Path("t.wav"), {"words": found}))
    assert set(numbers(row).values()) == {None}
    assert (row["language"], row["language_source"], row["reason"]) == ("es", "given", "the language is 'es'")


def test_given_lyrics_become_numbers_by_the_command_line(tmp_path, monkeypatch, make_wav):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("cat", "hum", "other")):
        make_wav(tmp_path / "music" / f"{name}.wav", 0.3 * np.random.default_rng(number).uniform(-1, 1, 8000 * 8), 8000)
    (tmp_path / "lrc").mkdir()
    (tmp_path / "registry.toml").write_text(  # what is not given is not heard
        'schema = 1\n[features.lyrics]\nextractor = "lyrics@2"\ninputs = { words = "words" }\n'
    )
    times = [f"[00:0{2 * at}.00]{line}" for at, line in enumerate([*verse.splitlines()[:3], ""])]
    (tmp_path / "lrc" / "cat.lrc").write_text("\n".join(times))
    (tmp_path / "lrc" / "hum.lrc").write_text("")
    done = _run("ingest", "music", "--annotation", "words=lrc/*.lrc", "--features", "lyrics", "-j", "1", "--json")
    assert json.loads(done)["features"]["lyrics"]["failed"] == 0
    found = _run(
        "sql", "SELECT rhyme_density, words_per_second, language_source, reason FROM lyrics ORDER BY 1", "-f", "csv"
    )
    assert found.splitlines()[1:] == [f"{2 / 3},{15 / 6},assumed,", ",,unknown,no words"]  # mat, dog, hat; the hum


def _run(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output + result.stderr
    return result.stdout
