"""Fitting one case of an experiment to its whole training part, and keeping the model."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mirstore.core.artifacts.card import Card, Data, Definition, Learned, Score
from mirstore.core.artifacts.files import Artifact, seal, write
from mirstore.core.durations import duration
from mirstore.core.errors import MirstoreError, PluginError, UsageError
from mirstore.core.events import Event, Progress, Started, job
from mirstore.core.experiment_entries import ChunkEntry
from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.cases import keys
from mirstore.core.experiments.run import fit_case
from mirstore.core.places import Pool, opened, places
from mirstore.core.plugins import distributions
from mirstore.core.pool import Crew, Task, local_pool
from mirstore.core.process import leave
from mirstore.core.registry import Registry
from mirstore.core.supervise import Attempt, Loss, Supervisor, refuse_scripts
from mirstore.core.text import explained, some
from mirstore.core.training import takes_context
from mirstore.core.weights.cache import require
from mirstore.core.workers import Limits, TimeUp, time_limit
from mirstore.store.experiments.checkpoints import Watch, folder_of, held, remove
from mirstore.store.experiments.planned import Planned
from mirstore.store.experiments.results import summaries
from mirstore.store.models import KeptModel, check_name, keep
from mirstore.store.store import Store


@dataclass(frozen=True)
class Trained:
    """A model that was just kept, and warnings of its fit."""

    model: KeptModel
    notes: Sequence[str]


_Answer = tuple[Learned, list[str]] | str


@job
def train(
    store: Store,
    planned: Sequence[Planned],
    registry: Registry,
    *,
    name: str | None = None,
    licence: str | None = None,
    seconds: float | None = None,
    pool: Pool = local_pool,
) -> Generator[Event, None, Trained]:
    """Fit the only case to everything that some fold learns from, and keep the model.

    Its scores are those of the finished run of the same case, if there is one: none are made up for it here. A model
    that saves checkpoints goes on from them when it was stopped, killed or ran out of time.

    Parameters
    ----------
    store : Store
        Open for writing.
    planned : sequence of Planned
        From `mirstore.store.experiments.planning.plan`: one.
    registry : Registry
    name : str, optional
        What to call it; by default as the experiment.
    licence : str, optional
        Of the model.
    seconds : float > 0 [s], optional
        What the fit may take.
    pool : callable
        Makes the executor of one process in which the model is fitted.

    Returns
    -------
    Events of Trained
        Also `Epoch` events, of what the model reports while it trains.

    Raises
    ------
    UsageError
        If there are several cases, the case lacks something, or its model cannot be kept.
    PluginError
        If the model fails.
    """
    item = _only(planned)
    case = item.case
    check_name(name or case.experiment)
    if item.state == "lacking":
        raise UsageError(f"{case}: {item.why}")
    assert item.assembly is not None  # only what lacks something has none
    model = item.assembly.model
    if not model.can_be_kept():
        raise UsageError(f"model {case.model!r} cannot be kept: it implements no save", hint="choose another model")
    parts = [part for part in (model, item.assembly.smoother) if part is not None]
    refuse_scripts(parts)
    require(parts)
    yield Started("fit", 1)
    with TemporaryDirectory(prefix="mirstore-") as folder:
        learned, notes = yield from _learned(store, item, Path(folder), seconds, pool)
        card = _card(store, item, learned, licence, registry.experiments[case.experiment].seed)
        artifact = Artifact.read(Path(folder), seal(Path(folder), card))
        kept = Trained(keep(store, artifact, name or case.experiment, item.run), notes)
    yield Progress("fit", 1, 1)
    return kept


def _only(planned: Sequence[Planned]) -> Planned:
    if len(planned) == 1:
        return planned[0]
    cases = [item.case for item in planned]
    values = {key: list(dict.fromkeys(case.text(key) for case in cases)) for key in keys}
    several = [f"--only {key}={some(found, between='|')}" for key, found in values.items() if len(found) > 1]
    raise UsageError(f"{len(cases)} cases, and a model is fitted to one", hint=f"choose one: {' '.join(several)}")


class _Fit(Attempt[_Answer]):
    """The fit, in a process of its own, where a crash costs nothing else."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    @property
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        return Task(_fit, fresh=True), self._arguments

    def answered(self, answer: _Answer) -> Iterator[_Answer]:
        yield answer

    def lost(self, loss: Loss) -> Iterator[_Answer]:
        if loss.error == "timeout":
            yield f"timeout: stopped after {duration(loss.seconds)}"
        elif loss.died:
            yield "crashed: its process died, by native code or lack of memory"
        else:
            yield f"{loss.error}: {loss.message}"


def _learned(
    store: Store, item: Planned, folder: Path, seconds: float | None, pool: Pool
) -> Generator[Event, None, tuple[Learned, list[str]]]:
    assert item.assembly is not None
    model, watch = item.assembly.model, Watch(store.path)
    checkpoints = folder_of(store.path.absolute(), item) if takes_context(model) else None
    plain = {name.partition("@")[0]: id_ for name, id_ in item.config["features"].items()}
    found: list[_Answer] = []
    with Supervisor[_Answer](opened(places(1, pool, "cpu"), [("cpu", Crew())], Limits(seconds)), seconds) as supervisor:
        supervisor.submit(_Fit(item.assembly, plain, item.case.chunk, folder, checkpoints, seconds))
        while supervisor.running:
            found += supervisor.finished()
            yield from watch.news([item] if checkpoints else [])
    (answer,) = found
    if isinstance(answer, str):
        raise PluginError(f"{item.case}: {answer}", hint=f"mirstore plugins check {model.name}")
    if checkpoints:
        remove(checkpoints)
    return answer


def _fit(
    assembly: Assembly,
    features: dict[str, str],
    chunk: ChunkEntry | None,
    folder: Path,
    checkpoints: Path | None,
    seconds: float | None,
) -> _Answer:
    """Fit and write in a worker: a failure comes back as text, because a plugin's exception may not travel."""
    try:
        with time_limit(seconds), held(checkpoints) if checkpoints else nullcontext(folder) as mine:
            fitted, notes = fit_case(assembly, mine)
        return write(replace(fitted, chunk=chunk), features, folder), notes
    except TimeUp:
        return f"timeout: stopped after {duration(seconds or 0)}"
    except BaseException as error:  # sys.exit() in a plugin is its failure too
        leave()
        return error.message if isinstance(error, MirstoreError) else ": ".join(explained(error))


def _card(store: Store, item: Planned, learned: Learned, licence: str | None, seed: int) -> Card:
    assert item.assembly is not None
    assert item.details is not None
    task, model = item.details.task, item.assembly.model
    tracks = np.unique(np.concatenate([fold.whole for fold in item.assembly.folds]))
    licences = dict(store.sql("SELECT dataset, licence FROM datasets").iter_rows())
    return Card(
        learned=learned,
        definitions=_definitions(store, learned.features.values()),
        experiment=item.case.experiment,
        case=item.case.names(),
        data=Data(
            dataset=task.dataset,
            labels=task.labels,
            tracks=len(tracks),
            licence=licences.get(task.dataset),
            sha256=item.config["data"],
        ),
        split=asdict(task),
        smoothing=item.config["smoothing"],
        seed=seed,
        scores=_scores(store, item.run),
        licence=licence,
        distributions=distributions(type(model)),
    )


def _scores(store: Store, run: str | None) -> dict[str, Score] | None:
    if run is None:
        return None
    metrics = summaries(store, [run])[0].metrics
    return {name: Score(mean=v.mean, low=v.low, high=v.high) for name, v in metrics.items()}


def _definitions(store: Store, ids: Iterable[str]) -> dict[str, Definition]:
    """Return the definitions of feature sets and of all that they read, by id, as far as they can be computed."""
    found: dict[str, Definition] = {}
    for id_ in ids:
        about = store.about(id_)
        found |= _definitions(store, about["inputs"].values())
        if about["source"] == "extractor":  # and not a table or an annotation, which nothing can compute
            found[id_] = Definition(**{key: about[key] for key in Definition.model_fields})
    return found
