"""Fitting one case of an experiment to its whole training part, and keeping the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mirstore.core.artifacts.card import Card, Data, Definition, Learned, Score
from mirstore.core.artifacts.files import Artifact, seal, write
from mirstore.core.entries import ChunkEntry
from mirstore.core.errors import MirstoreError, PluginError, UsageError
from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.cases import Case, keys
from mirstore.core.experiments.run import fit_case
from mirstore.core.places import Pool
from mirstore.core.plugins import Plugins, distributions
from mirstore.core.pool import local_pool
from mirstore.core.process import leave
from mirstore.core.registry import Registry
from mirstore.core.supervise import refuse_scripts
from mirstore.core.text import explained, some
from mirstore.core.training import takes_context
from mirstore.core.weights.cache import require
from mirstore.core.workers import Limits
from mirstore.store.experiments.checkpoints import folder_of, held, remove
from mirstore.store.experiments.planned import Planned
from mirstore.store.experiments.planning import plan
from mirstore.store.experiments.results import summaries
from mirstore.store.models import KeptModel, check_name, keep
from mirstore.store.store import Store


@dataclass(frozen=True)
class Trained:
    """A model that was just kept, and warnings of its fit."""

    model: KeptModel
    notes: Sequence[str]


def train(
    store: Store,
    cases: Sequence[Case],
    registry: Registry,
    plugins: Plugins,
    *,
    name: str | None = None,
    licence: str | None = None,
    pool: Pool = local_pool,
) -> Trained:
    """Fit the only case to everything that some fold learns from, and keep the model.

    Its scores are those of the finished run of the same case, if there is one: none are made up for it here.

    Parameters
    ----------
    store : Store
        Open for writing.
    cases : sequence of Case
        From `mirstore.core.experiments.cases.cases`: one.
    registry : Registry
    plugins : Plugins
    name : str, optional
        What to call it; by default as the experiment.
    licence : str, optional
        Of the model.
    pool : callable
        Makes the executor of one process in which the model is fitted.

    Raises
    ------
    UsageError
        If there are several cases, the case lacks something, or its model cannot be kept.
    PluginError
        If the model fails.
    """
    case = _only(cases)
    check_name(name or case.experiment)
    (item,) = plan(store, [case], registry, plugins)
    if item.state == "lacking":
        raise UsageError(f"{case}: {item.why}")
    assert item.assembly is not None  # only what lacks something has none
    model = item.assembly.model
    if not model.can_be_kept():
        raise UsageError(f"model {case.model!r} cannot be kept: it implements no save", hint="choose another model")
    parts = [part for part in (model, item.assembly.smoother) if part is not None]
    refuse_scripts(parts)
    require(parts)
    with TemporaryDirectory(prefix="mirstore-") as folder:
        learned, notes = _learned(store, item, Path(folder), pool)
        card = _card(store, item, learned, licence, registry.experiments[case.experiment].seed)
        artifact = Artifact.read(Path(folder), seal(Path(folder), card))
        return Trained(keep(store, artifact, name or case.experiment, item.run), notes)


def _only(cases: Sequence[Case]) -> Case:
    if len(cases) == 1:
        return cases[0]
    values = {key: list(dict.fromkeys(case.text(key) for case in cases)) for key in keys}
    several = [f"--only {key}={some(found, between='|')}" for key, found in values.items() if len(found) > 1]
    raise UsageError(f"{len(cases)} cases, and a model is fitted to one", hint=f"choose one: {' '.join(several)}")


def _learned(store: Store, item: Planned, folder: Path, pool: Pool) -> tuple[Learned, list[str]]:
    """Fit in a process of its own, where a crash costs nothing else."""
    assert item.assembly is not None
    checkpoints = folder_of(store.path, item) if takes_context(item.assembly.model) else None
    executor = pool(1, Limits())
    try:
        features, chunk = item.config["features"], item.case.chunk
        plain = {name.partition("@")[0]: id_ for name, id_ in features.items()}
        found = executor.submit(_fit, item.assembly, plain, chunk, folder, checkpoints).result()
    except BrokenExecutor:
        found = "crashed: its process died, by native code or lack of memory"
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    if isinstance(found, str):
        raise PluginError(f"{item.case}: {found}", hint=f"mirstore plugins check {item.assembly.model.name}")
    if checkpoints:
        remove(checkpoints)
    return found


def _fit(
    assembly: Assembly, features: dict[str, str], chunk: ChunkEntry | None, folder: Path, checkpoints: Path | None
) -> tuple[Learned, list[str]] | str:
    """Fit and write in a worker: a failure comes back as text, because a plugin's exception may not travel."""
    try:
        with held(checkpoints) if checkpoints else nullcontext(folder) as mine:
            fitted, notes = fit_case(assembly, mine)
        return write(replace(fitted, chunk=chunk), features, folder), notes
    except BaseException as error:  # sys.exit() in a plugin is its failure too
        leave()
        return error.message if isinstance(error, MirstoreError) else ": ".join(explained(error))


def _card(store: Store, item: Planned, learned: Learned, licence: str | None, seed: int) -> Card:
    assert item.assembly is not None
    assert item.details is not None
    task, model = item.details.task, item.assembly.model
    tracks = np.unique(np.concatenate([fold.train for fold in item.assembly.folds]))
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
