"""Models that train for long: tensors alone, validation, reports, and a kill that changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mirstore.core import Arrays, Examples, Model, Training
from mirstore.core.checks import checks_for
from mirstore.core.errors import UsageError
from mirstore.core.experiments.assembly import Assembly, Result, without_columns
from mirstore.core.experiments.fitting import Fitting
from mirstore.core.experiments.run import run_case
from mirstore.core.experiments.splits import Fold


def assembly(model: Model, folds: tuple[Fold, ...], n: int = 30) -> Assembly:
    """Spectra of three classes, and no table."""
    rng = np.random.default_rng(440)
    number = np.arange(n) % 3
    spectra = [rng.normal(size=(4, 10)) + 2 * np.eye(4)[[c]].T for c in number]
    return Assembly(
        examples=Examples(
            without_columns(n), ("a", "b", "c"), np.eye(3)[number], {"mel.mel": Arrays(spectra, hop=0.1)}, True
        ),
        tracks=tuple(f"t{i:02}" for i in range(n)),
        owners=np.arange(n),
        folds=folds,
        groups={"all": ["mel.mel"]},
        model=model,
    )


def three(n: int = 30) -> tuple[Fold, ...]:
    every = np.arange(n)
    return tuple(Fold(0, i, every[every % 5 > i], every[every % 5 == i]) for i in range(3))


def with_validation(n: int = 30) -> Fold:
    every = np.arange(n)
    return Fold(0, 0, every[:15], every[21:], every[15:21])


@pytest.fixture
def nets(test_plugins):
    import mirstore_test_nets

    return mirstore_test_nets


def test_a_model_on_tensors_alone_learns(nets):
    result = run_case(assembly(nets.Net(), three()))
    assert {m["value"] for m in result.metrics if m["name"] == "accuracy"} == {1.0}
    assert result.importances == []


@pytest.mark.parametrize("kind", ["Net", "Blind"])
def test_a_model_that_explains_nothing_is_fitted_once_per_fold(nets, kind):
    model = getattr(nets, kind)()
    before = type(model).fits
    run_case(assembly(model, three()))
    assert type(model).fits - before == 3


@pytest.mark.parametrize("kind", ["Net", "Blind", "Prior", "Slopes"])
def test_the_kit_passes_models_with_and_without_a_context(nets, kind):
    model = getattr(nets, kind)()
    for check in checks_for(model):
        check(model)


def test_validation_is_given_and_kept_apart(nets):
    seen = []

    class Spy(nets.Net):
        def fit(self, examples, groups, seed, context=None):
            seen.append((len(examples), context.validation and len(context.validation)))
            return super().fit(examples, groups, seed, context)

    result = run_case(assembly(Spy(), (with_validation(),)))
    assert seen == [(15, 6)]
    curve = pl.DataFrame(result.learning_curves)
    assert curve.select("repeat", "fold").unique().rows() == [(0, 0)]
    assert curve["epoch"].unique().to_list() == list(range(12))
    for name in ("loss", "validation_loss"):
        values = curve.filter(pl.col("name") == name)["value"]
        assert values[-1] < values[0]
    run_case(assembly(Spy(), three()))
    assert seen[1:] == [(len(fold.train), None) for fold in three()]


def test_models_keep_together_what_folds_keep_together(nets):
    told = []

    class Spy(nets.Net):
        def fit(self, examples, groups, seed, context=None):
            told.append(examples.units)
            return super().fit(examples, groups, seed, context)

    every = np.arange(30)
    artists = np.array([f"artist {i % 10}" for i in every], dtype=object)
    apart = Fold(0, 0, every[every % 10 > 2], every[every % 10 <= 2])
    torn = Fold(0, 0, every[10:], every[:10])
    for fold in (apart, torn):
        case = assembly(Spy(), (fold,))
        run_case(replace(case, examples=replace(case.examples, units=artists)))
    assert told[0].tolist() == artists[apart.train].tolist()
    assert told[-1].tolist() == [f"t{i:02}" for i in torn.train]  # whose artists are in the test part as well


def test_validation_is_scaled_by_training_and_the_whole_fit_has_it_too(test_plugins):
    from mirstore_test_models import Centroid

    seen: list[tuple[int, float | None]] = []

    class Spy(Centroid):
        def fit(self, examples, groups, seed, context=None):
            validation = context.validation
            seen.append((len(examples), float(validation.table["f.x"].mean())))
            assert abs(examples.table["f.x"].mean()) < 1e-12
            return super().fit(examples, groups, seed)

    every = np.arange(30)
    table = pl.DataFrame({"f.x": np.where((every >= 15) & (every < 21), 100.0, every % 3), "f.y": every / 30})
    case = assembly(Spy(), (with_validation(),))
    case = Assembly(
        Examples(table, ("a", "b", "c"), case.examples.labels, exclusive=True),
        case.tracks, case.owners, case.folds, {"all": ["f.x", "f.y"]}, Spy(),
    )  # fmt: skip
    run_case(case)
    assert [n for n, _ in seen] == [15, 15]  # the fold, and the fit to all that is learned from
    assert all(mean > 50 for _, mean in seen)


@pytest.mark.parametrize(
    ("epoch", "values"), [(-1, {"loss": 1.0}), (0, {}), (0, {"loss": float("nan")}), (3, {"loss": float("inf")})]
)
def test_a_report_that_says_nothing_is_refused(tmp_path, epoch, values):
    with pytest.raises(ValueError, match="finite values"):
        Training(tmp_path).report(epoch, **values)


def test_what_is_reported_again_takes_the_place_of_the_former(tmp_path):
    training = Training(tmp_path)
    training.report(1, loss=0.5, accuracy=0.1)
    training.report(0, loss=0.9)
    training.report(1, loss=0.4)
    assert training.curve() == {0: {"loss": 0.9}, 1: {"loss": 0.4, "accuracy": 0.1}}


# Killed and resumed


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def plain(result: Result) -> tuple[object, ...]:
    return result.metrics, result.learning_curves, result.predictions.rows()


@pytest.mark.slow
def test_a_killed_net_goes_on_where_it_was_and_ends_the_same(nets, tmp_path):
    uninterrupted = run_case(assembly(nets.Net(), (*three(), with_validation_as_fold_3())), tmp_path / "whole")
    folder = tmp_path / "killed"
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from mirstore_test_nets import Net
        from test_training import assembly, run_case, three, with_validation_as_fold_3
        run_case(assembly(Net(pause=0.2), (*three(), with_validation_as_fold_3())), Path({str(folder)!r}))
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], env=dict(os.environ))
    log = folder / "run-0-fold-1" / "epochs.log"
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) >= 4)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    done = len(log.read_text().splitlines())
    assert done < 12
    resumed = run_case(assembly(nets.Net(), (*three(), with_validation_as_fold_3())), folder)
    assert plain(resumed) == plain(uninterrupted)
    for number in range(3):  # nothing was trained twice, but for an epoch that was cut short
        epochs = (folder / f"run-0-fold-{number}" / "epochs.log").read_text().splitlines()
        assert set(map(int, epochs)) == set(range(12))
        assert len(epochs) <= 13 if number == 1 else len(epochs) == 12


def with_validation_as_fold_3() -> Fold:
    fold = with_validation()
    return Fold(0, 3, fold.train, fold.test, fold.validation)


# Wrong labels


def fitting_with(share: float, chunks: int = 3, n: int = 40) -> Fitting:
    number = np.arange(n) % 4
    owners = np.repeat(np.arange(n), chunks)
    table = pl.DataFrame({"f.x": np.zeros(len(owners))})
    examples = Examples(table, tuple("abcd"), np.eye(4)[number][owners], exclusive=True)
    folds = (Fold(0, 0, np.arange(30), np.arange(30, n)),)
    names = tuple(f"t{i:02}" for i in range(n))
    case = Assembly(examples, names, owners, folds, {"all": ["f.x"]}, SpyModel(), wrong_labels=share)
    return Fitting(case, Result(), Path())


class SpyModel(Model):
    name = "spy"

    def fit(self, examples, groups, seed):
        return self


@pytest.mark.parametrize(("share", "wrong"), [(0.0, 0), (0.2, 6), (0.5, 15), (0.99, 30)])
def test_so_many_tracks_are_learned_under_another_class_with_all_their_chunks(share, wrong):
    fitting = fitting_with(share)
    tracks = fitting.case.folds[0].train
    _, (train,) = fitting.scaled(tracks)
    found = fitting.smoothed(train, tracks, seed=3).labels.reshape(30, 3, 4)
    assert (found == found[:, :1]).all()
    assert (found.sum(axis=-1) == 1).all()
    assert (found[:, 0].argmax(axis=1) != fitting.labels[tracks].argmax(axis=1)).sum() == wrong
    again, other = (fitting.smoothed(train, tracks, seed).labels.reshape(30, 3, 4) for seed in (3, 4))
    assert np.array_equal(again, found)
    assert wrong == 0 or not np.array_equal(other, found)
    assert np.array_equal(train.labels.reshape(30, 3, 4)[:, 0], fitting.labels[tracks])  # what was given stays


def test_tags_have_no_wrong_class():
    fitting = fitting_with(0.2)
    tags = replace(fitting.case, examples=replace(fitting.case.examples, exclusive=False))
    with pytest.raises(UsageError, match="wrong_labels needs classes"):
        Fitting(tags, Result(), Path())
