"""Ingest: find files, plan what is missing, extract it in worker processes, commit in batches.

One process commits; nothing that was committed is computed again, so an ingest that was interrupted goes on where it
stopped.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from time import monotonic

from mirstore.core.cluster import places_at
from mirstore.core.columns import packed
from mirstore.core.errors import UsageError
from mirstore.core.events import Event, Progress, Started, job
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet
from mirstore.core.isolated import places_of
from mirstore.core.places import Pool, cpu_pool
from mirstore.core.workers import Limits
from mirstore.store.ingest.annotation_sets import Source as Annotations
from mirstore.store.ingest.committer import Committer
from mirstore.store.ingest.plan import Plan
from mirstore.store.ingest.preview import preview
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.summary import Summary
from mirstore.store.ingest.vanished import prune as take_out
from mirstore.store.lake.job_folders import job_folder
from mirstore.store.lake.snapshots import last_change
from mirstore.store.store import Store


@job
def ingest(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    *,
    annotations: Sequence[Annotations] = (),
    dataset: str | None = None,
    workers: int = 1,
    limits: Limits | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    tags: bool = True,
    command: str = "",
    pool: Pool = cpu_pool,
    executor: str | None = None,
) -> Generator[Event, None, Summary]:
    """Bring the store up to date with the sources.

    Parameters
    ----------
    store : Store
        Open for writing.
    sources : sequence of Source
        See `mirstore.store.ingest.sources.find`.
    features : Mapping of str to FeatureSet
        What to compute, by name; inputs are computed too.
    annotations : sequence of Source
        Files that say something about the tracks, see `mirstore.store.ingest.annotation_sets.find`.
    dataset : str, optional
        Name of the dataset that the tracks and their labels belong to; each source's own by default.
    workers : int > 0
        Processes.
    limits : Limits, optional
        Time and memory for one extractor on one track.
    retry_failed : bool
        Compute again what failed before; otherwise failures stay.
    prune : bool
        Take out of the datasets what is gone from them.
    tags : bool
        Whether the files' tags give credits and genres where a table does not; False takes those of these files out
        of use.
    command : str
        What the user asked, kept with the ingest.
    pool : callable
        Makes the executor of this machine's processors.
    executor : str, optional
        ``dask://HOST:PORT`` of a cluster that is to compute instead; see `mirstore.core.cluster`.

    Returns
    -------
    Events of Summary
        Stopped, it commits what is computed; the next ingest goes on there.
    """
    begun = monotonic()
    found = yield from preview(
        store,
        sources,
        features,
        annotations=annotations,
        dataset=dataset,
        retry_failed=retry_failed,
        prune=prune,
        tags=tags,
    ).within()
    plan, summary = found.plan, found.summary
    committer = Committer(store, found)
    committer.register()
    if prune:
        take_out(store, summary.vanished)
    yield from committer.annotate()
    if plan.total:
        yield Started("extract", plan.total)  # the workers take a while to start
        with job_folder(store.path.absolute(), summary.ingest) as folder:  # workers may be elsewhere
            ordered = list(plan.named.values())
            bucket = store.home.bucket if executor else None
            if bucket:
                asked = {id_ for todo in plan.missing.values() for id_ in todo}
                _refuse_environments([feature for feature in ordered if feature.id in asked])
            seen = _to_be_seen(plan, None if bucket else folder)
            where = places_at(executor, (feature.extractor for feature in ordered), seen, bucket)
            jobs = plan.jobs(store, folder.relative_to(store.path.absolute()) if bucket else folder, bucket)
            results = extract(jobs, ordered, workers=workers, limits=limits, pool=pool, where=where)
            try:
                for number, done in enumerate(results, start=1):
                    committer.add(done)
                    yield from committer.told(done)
                    yield Progress("extract", number, plan.total, dict(committer.seconds))
            finally:
                results.close()  # type: ignore[attr-defined]
                committer.flush()  # also after Ctrl-C: what is done stays done
                if bucket:
                    bucket.delete(path for path, _ in bucket.list(f"jobs/{summary.ingest}"))
        summary.duplicates.look(store, committer.stamp)
    summary.seconds = monotonic() - begun
    committer.finish(command)
    summary.snapshot = last_change(store)
    return summary


def _to_be_seen(plan: Plan, folder: Path | None) -> list[Path]:
    """Return what workers elsewhere must see: the audio, and the folder of tensors and sounds, if there are any.

    The lock in the folder is new, and so is nobody else's.
    """
    folders = sorted({Path(item.source.path).parent for item in plan.scanned if item.track in plan.missing})
    by_reference = any(packed(feature.columns) for feature in plan.named.values())
    return [*([folder / "lock"] if folder and by_reference else []), *folders[:: 1 + len(folders) // 20]]


def _refuse_environments(features: Sequence[FeatureSet]) -> None:
    """Refuse tensors that pass between a cluster and an environment of this machine: they do not meet."""
    for feature in features:
        packs = packed(feature.columns) or any(packed(source.columns) for source in feature.inputs.values())
        if packs and places_of([feature], 1):
            raise UsageError(
                f"features {feature.name!r} have or read tensors, and run in an environment of this machine",
                hint="compute them first, without --executor",
            )
