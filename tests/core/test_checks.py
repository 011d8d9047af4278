"""The conformance kit accepts good components and names what is wrong with bad ones."""

from __future__ import annotations

import importlib
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from mirstore.core import checks, pool
from mirstore.core.checks import checks_for, run_checks, signals
from mirstore.core.checks.general import is_cheap_to_import
from mirstore.core.columns import Column, Tensor, input_frame
from mirstore.core.errors import AudioError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.tracks import Track

good = '''
from dataclasses import dataclass, field
import numpy as np
import polars as pl
from mirstore.core import Column, Extractor, Grouper, Model, Smoother, Tensor, TrackError


@dataclass
class Frames(Extractor):
    """Energy of each frame."""

    name = "frames"
    size: int = 1024

    def columns(self):
        return {"energy": Column(Tensor("float32", (None,)), "", "mean square of each frame", range=(0, 1))}

    def extract(self, track):
        samples = track.audio(22050)
        return {"energy": [np.mean(samples[i : i + self.size] ** 2) for i in range(0, len(samples), self.size)]}


@dataclass
class Loudest(Extractor):
    """Energy of the loudest frame, from the frames."""

    name = "loudest"
    inputs = ("frames",)

    def columns(self):
        return {"peak": Column(pl.Float32, "", "largest mean square", range=(0, 1), nullable=True)}

    def extract(self, track):
        (energy,) = track.features("frames")["energy"]
        return {"peak": energy.max()}


@dataclass
class BySet(Grouper):
    """One group per feature set."""

    name = "by-set"

    def group(self, columns):
        sets = sorted({column.split(".")[0] for column in columns})
        return {name: [column for column in columns if column.startswith(name + ".")] for name in sets}


@dataclass
class Uniform(Smoother):
    """Labels mixed with the uniform distribution."""

    name = "uniform"
    share: float = 0.1

    def smooth(self, X, Y, seed):
        return (1 - self.share) * Y + self.share / Y.shape[1]


@dataclass
class Prior(Model):
    """The classes' shares, whatever the features."""

    name = "prior"

    def fit(self, examples, groups, seed):
        self.prior_ = examples.labels.mean(axis=0)
        self.groups_ = list(groups)
        return self

    def predict_proba(self, examples):
        return np.tile(self.prior_, (examples.table.height, 1))

    def group_importances(self):
        return dict.fromkeys(self.groups_, 1 / len(self.groups_))
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes a module, importable here and in child processes."""
    monkeypatch.syspath_prepend(tmp_path)
    made = 0

    def make(source: str) -> ModuleType:
        nonlocal made
        made += 1
        name = f"{tmp_path.name.replace('-', '_')}_{made}"
        (tmp_path / f"{name}.py").write_text(source)
        return importlib.import_module(name)

    return make


def failures(subject) -> dict[str, str]:
    """Run the checks in this process."""
    failed = {}
    for check in checks_for(subject):
        try:
            check(subject)
        except Exception as error:
            failed[check.__name__] = f"{type(error).__name__}: {error}"
    return failed


def named(component, name: str):
    """Return one of a component's checks."""
    return next(check for check in checks_for(component) if check.__name__ == name)


def changed(module, old: str, new: str) -> ModuleType:
    assert old in good
    return module(good.replace(old, new, 1))


@pytest.mark.parametrize("kind", ["Frames", "BySet", "Uniform", "Prior"])
def test_a_good_component_passes(module, kind):
    assert failures(getattr(module(good), kind)()) == {}


def test_a_chain_is_checked_with_what_it_reads(module):
    made = module(good)
    assert failures(FeatureSet("loudest", made.Loudest(), {"frames": FeatureSet("frames", made.Frames())})) == {}


def test_a_chain_without_what_it_reads_says_what_to_give(module):
    with pytest.raises(UsageError, match=r"extractor 'loudest' reads frames, not given"):
        checks_for(module(good).Loudest())


def test_something_else_cannot_be_checked():
    with pytest.raises(TypeError, match="is no extractor, grouper, smoother or model"):
        checks_for(42)


@pytest.mark.parametrize(
    ("kind", "old", "new", "check", "message"),
    [
        ("Frames", '"frames"', '"My Frames"', "has_a_proper_name", "'My Frames' must be lower case"),
        ("Frames", '"""Energy of each frame."""', "version = 0", "has_a_proper_name", "version 0 must be an integer"),
        ("Frames", '"""Energy of each frame."""', "", "says_what_it_does", "needs a docstring"),
        ("Frames", "@dataclass\nclass Frames", "class Frames", "has_plain_parameters", "must be a @dataclass"),
        ("Frames", "size: int = 1024", "size: type = int", "has_plain_parameters", "is not plain JSON"),
        (
            "Frames",
            "size: int = 1024",
            'size: int = field(default=1024, metadata={"was": 512})',
            "has_plain_parameters",
            "is 1024 by default, and so must be what it was",
        ),
        (
            "Frames",
            "import numpy as np",
            "import numpy as np, time\nt = time.process_time()\nwhile time.process_time() < t + 0.6: pass",
            "is_cheap_to_import",
            "s of CPU, more than 0.5 s",
        ),
        ("Frames", '"mean square of each frame"', '""', "documents_its_columns", "must say what the value means"),
        ("Frames", 'None,)), ""', 'None,)), "[s]"', "documents_its_columns", r"unit '\[s\]' must be text"),
        ("Frames", "range=(0, 1)", "range=(1, 0)", "documents_its_columns", "must be two numbers that rise"),
        ("Frames", '{"energy": Column', '{"track": Column', "documents_its_columns", "name is the store's own"),
        ("Frames", 'return {"energy": [', 'return {"power": [', "keeps_its_columns_on_music", "missing .'energy'"),
        ("Frames", "(None,)", "(None, 2)", "keeps_its_columns_on_music", "does not fit"),
        ("Frames", "range=(0, 1)", "range=(0, 0.01)", "stays_within_its_ranges", "is outside"),
        (
            "Frames",
            "track.audio(22050)",
            "track.audio()[3000:]; samples[0]",
            "keeps_its_columns_on_a_tenth_of_a_second",
            "index 0|no identity",
        ),
        (
            "Frames",
            "samples = track",
            "1 / (track.decoded.channels == 1); samples = track",
            "keeps_its_columns_in_stereo",
            "division by zero",
        ),
        (
            "Frames",
            "samples = track",
            "1 / (track.decoded.sr < 48000); samples = track",
            "keeps_its_columns_at_other_sampling_rates",
            "division by zero",
        ),
        # The state of a component, the seed of hash(), a careless batch.
        (
            "Frames",
            "samples = track",
            "self.n = getattr(self, 'n', 0.5) / 2; samples = self.n * track",
            "remembers_nothing_between_tracks",
            "changes energy",
        ),
        (
            "Frames",
            "samples = track",
            "samples = (hash('x') % 65521) / 65521 * track",
            "gives_the_same_bits_in_two_processes",
            "disagree on energy",
        ),
        (
            "Frames",
            "def extract(self",
            "def extract_batch(self, tracks): return [{'energy': [1]} for _ in tracks]\n    def extract(self",
            "gives_the_same_in_a_batch_and_alone",
            "a batch changes",
        ),
        ("Frames", 'return {"energy": [', 'return [] and {"energy": [', "gives_rows_for_music", "gives no rows"),
        (
            "BySet",
            "for column in columns if",
            "for column in [*columns, name + '.new'] if",
            "groups_known_columns_only",
            "not given: essentia.new",
        ),
        ("BySet", 'column.startswith(name + ".")', "True", "makes_disjoint_groups", "in more than one group"),
        ("BySet", 'column.startswith(name + ".")', "False", "names_groups_that_have_members", "is empty"),
        ("Uniform", "(1 - self.share) * Y", "Y", "gives_distributions", "one is off by 0.1"),
        (
            "Uniform",
            "    def smooth(",
            "    def held_out(self, X, Y, others, seed): return Y[: len(others)] / 2\n\n    def smooth(",
            "gives_distributions_of_others_or_nothing",
            "one is off by 0.5",
        ),
        ("Uniform", "return (1", "Y *= 1 - self.share; return (1", "leaves_its_arguments_untouched", "changes Y"),
        (
            "Uniform",
            "return (1",
            "return np.random.default_rng().dirichlet([1, 1, 1], len(Y)) + 0 * (1",
            "repeats_itself_with_the_same_seed",
            "differ",
        ),
        ("Prior", "        return self\n", "", "fits_and_returns_itself", "fit must return self, got None"),
        ("Prior", "self.prior_, (ex", "2 * self.prior_ + 1, (ex", "predicts_scores_between_0_and_1", "leave 0 to 1"),
        (
            "Prior",
            "height, 1))",
            "height, 1)) / examples.table.height",
            "predicts_each_example_by_itself",
            "scores change",
        ),
        (
            "Prior",
            "self.groups_ = list(groups)",
            "self.groups_ = list(groups); self.f = lambda: 0",
            "survives_pickling",
            "pickle",
        ),
        ("Prior", "self.groups_, 1 /", "self.groups_, 2 /", "shares_importance_between_the_groups", "must sum to 1"),
        ("Prior", "list(groups)", "['rhythm']", "shares_importance_between_the_groups", "groups were"),
        (
            "Prior",
            "self.groups_ =",
            "examples.labels[0] = 0; self.groups_ =",
            "leaves_the_examples_untouched",
            "changes the labels",
        ),
    ],
)
def test_a_breach_is_named(module, kind, old, new, check, message):
    component = getattr(changed(module, old, new), kind)()
    with pytest.raises(Exception, match=message):
        named(component, check)(component)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"start": at', '"start": 30 + at'),
        ('"end": min(at', '"end": -2 + min(at'),
    ],
)
def test_segments_outside_the_track_are_named(module, old, new):
    source = (Path(__file__).parents[1] / "plugin_segments" / "mirstore_test_segments.py").read_text()
    assert old in source
    component = module(source.replace(old, new, 1)).RmsSegments()
    with pytest.raises(AssertionError, match=r"starts must|ends before it starts"):
        named(component, "gives_segments_within_the_track")(component)


def test_equal_starts_are_no_breach(module):
    source = (Path(__file__).parents[1] / "plugin_segments" / "mirstore_test_segments.py").read_text()
    component = module(source.replace("/ self.sr,\n", "/ self.sr * 0,\n", 1)).RmsSegments()
    named(component, "gives_segments_within_the_track")(component)


def test_a_heavy_import_is_named(module, tmp_path, monkeypatch):
    (tmp_path / "xgboost.py").touch()  # for the process that measures; this one gets back the real one, if any
    monkeypatch.setitem(sys.modules, "xgboost", ModuleType("xgboost"))
    with pytest.raises(AssertionError, match="loads xgboost: import them inside the functions"):
        is_cheap_to_import(changed(module, "import numpy as np", "import numpy as np, xgboost").Frames())


def test_a_track_error_is_a_good_answer_to_odd_sounds(module):
    guard = "if track.duration < 10: raise TrackError('too short', 'needs 10 s')\n        samples"
    assert failures(changed(module, "samples", guard).Frames()) == {}


def test_a_warning_is_no_breach(module):
    assert failures(changed(module, "samples = ", "np.log(np.zeros(1)); samples = ").Frames()) == {}


def test_the_kit_passes_an_installed_plugin_in_a_process_of_its_own(test_plugins):
    from mirstore_test_segments import RmsSegments

    results = run_checks(RmsSegments())
    assert [result.name for result in results] == [check.__name__ for check in checks_for(RmsSegments())]
    assert [result for result in results if not result.ok] == []


@pytest.mark.parametrize("name", ["slow", "raises", "hangs", "wrong", "aborts", "memory"])
def test_the_test_plugins_behave_until_they_are_provoked(test_plugins, make_wav, tmp_path, name):
    (extractor,) = importlib.import_module(f"mirstore_test_{name}").register_extractors()
    path = make_wav(tmp_path / "good.wav", signals.music(1.0))
    assert extractor(only="bad").extract(Track("x", path)) == {"seconds": 1.0}


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave out all other checks."""
    monkeypatch.setattr(checks, "checks_for", lambda component: [named(component, name) for name in names])


def test_a_crash_fails_its_check_only(test_plugins, monkeypatch):
    from mirstore_test_aborts import Aborts

    only(monkeypatch, "keeps_its_columns_on_noise", "has_a_proper_name")
    crashed, name = run_checks(Aborts(only="signal"))
    assert (crashed.ok, crashed.message) == (False, "ended its process: a crash in native code, or out of memory")
    assert (name.ok, name.message) == (True, "")


def test_a_hang_is_ended(test_plugins, monkeypatch, tmp_path):
    from mirstore_test_hangs import Hangs

    hangs = tmp_path / "hangs"

    class Patient(Future):
        """What a process gives; its time begins when it hangs, however long the machine takes to get there."""

        def result(self, timeout=None):
            while not self.done() and not hangs.exists():
                time.sleep(0.05)
            hangs.unlink(missing_ok=True)
            return super().result(None if self.done() else timeout)

    monkeypatch.setattr(pool, "Future", Patient)
    only(monkeypatch, "keeps_its_columns_on_noise", "has_a_proper_name")
    hung, name = run_checks(Hangs(only="signal", native=True, sign=str(hangs)), seconds=0.5)
    assert (hung.ok, hung.message) == (False, "ended after 0.5 s without a result")
    assert name.ok


def test_music_has_its_beat_and_stays_below_full_scale():
    samples = signals.music(8.0)
    assert samples.shape == (8 * 22050,)
    assert np.abs(samples).max() == pytest.approx(0.7)
    power = np.abs(np.fft.rfft(np.convolve(samples**2, np.ones(221), "same")))
    assert power[1:200].argmax() + 1 in (16, 32)  # 2 Hz, or its octave, in 8 s


@pytest.mark.parametrize("make", [signals.music, signals.noise, signals.click, signals.near_silence, signals.clipped])
def test_signals_get_through_the_decoder(make):
    with signals.recording(make()) as path:
        assert np.abs(Track("x", path).audio()).max() > 0


def test_full_silence_never_reaches_an_extractor():
    with signals.recording(np.zeros(22050)) as path, pytest.raises(AudioError, match="every sample is zero"):
        Track("x", path).audio()


def test_an_input_frame_keeps_tensors_as_arrays_and_nulls_as_nulls():
    columns = {
        "start": Column(pl.Float64, "s", "where it begins"),
        "vector": Column(pl.Array(pl.Float32, 2), "", "two numbers", nullable=True),
        "mel": Column(Tensor("float16", (2, None)), "dB", "a small spectrogram"),
    }
    mel = np.arange(6, dtype=np.float16).reshape(2, 3)
    rows = [
        {"start": 0.0, "vector": np.array([1, 2], np.float32), "mel": mel},
        {"start": 1.0, "vector": None, "mel": mel[:, :1], "other": 1},
    ]
    frame = input_frame(rows, columns)
    assert frame.schema == {"start": pl.Float64, "vector": pl.Array(pl.Float32, 2), "mel": pl.Object}
    assert frame["vector"].to_list() == [[1, 2], None]
    assert frame["mel"][0] is mel
    assert frame["mel"][1].shape == (2, 1)
    assert input_frame([], columns).schema == frame.schema
