"""What an ingest would do: an ingest begins with it, a dry run ends with it."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from mirstore.core.events import Event, Progress, Started, Warned, job
from mirstore.core.features import FeatureSet
from mirstore.core.text import check_given_name
from mirstore.store.ingest.annotation_sets import Source as Annotations
from mirstore.store.ingest.annotation_sets import all_sets
from mirstore.store.ingest.annotations import look
from mirstore.store.ingest.news import News, compare
from mirstore.store.ingest.plan import Plan, make_plan
from mirstore.store.ingest.scan import scan
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.summary import Summary, counted_as
from mirstore.store.ingest.tagging import latest_tags
from mirstore.store.ingest.vanished import continued, renamed
from mirstore.store.ingest.vanished import find as find_vanished
from mirstore.store.store import Store


def _prepare(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    annotations: Sequence[Annotations],
    retry_failed: bool,
    tags: bool,
) -> Generator[Event, None, Plan]:
    """Scan the sources and find what an ingest would compute, why, and what it will cost."""
    scanned = []
    tagged = latest_tags(store).drop_nulls("tags").drop("tags") if tags else None
    step = max(1, len(sources) // 1000)
    if sources:
        yield Started("scan", len(sources))
    for number, item in enumerate(scan(store, sources, tagged=tagged), start=1):
        scanned.append(item)
        if number % step == 0 or number == len(sources):
            yield Progress("scan", number, len(sources))
    annotated = look(store, annotations, scanned, retry_failed=retry_failed)
    features = {**features, **all_sets(annotations)}
    return make_plan(store, scanned, features, retry_failed=retry_failed, annotated=annotated)


@dataclass(frozen=True)
class Preview:
    """What an ingest would do: what it computes, what it writes before, and what it says of that."""

    plan: Plan
    news: News
    summary: Summary


@job
def preview(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    *,
    annotations: Sequence[Annotations] = (),
    dataset: str | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    tags: bool = True,
) -> Generator[Event, None, Preview]:
    """Say what `ingest` with these parameters would do; it begins with the same.

    Parameters
    ----------
    store : Store
    sources : sequence of Source
    features : Mapping of str to FeatureSet
    annotations : sequence of Annotations
    dataset : str, optional
    retry_failed, prune, tags : bool
        As for `ingest`.

    Raises
    ------
    UsageError
        If the dataset cannot be called so, or two files of one recording have different labels in a set where all
        tracks have one.
    """
    if dataset is not None:
        check_given_name("a dataset", dataset)
        sources = [replace(source, dataset=dataset) for source in sources]
    plan = yield from _prepare(store, sources, features, annotations, retry_failed, tags)
    summary = Summary(uuid.uuid4().hex[:12], dataset, pruned=prune)
    if dataset is None:  # which was not asked for by name
        summary.renamed = renamed(store, plan.scanned)
        plan = replace(plan, scanned=continued(plan.scanned, summary.renamed))
    summary.dataset = ", ".join(sorted({item.source.dataset for item in plan.scanned})) or None
    summary.restored = [name for name, feature in plan.named.items() if feature.id in store.hidden.features]
    summary.tracks.update(counted_as(item) for item in plan.scanned)
    summary.features = {
        name: {"id": feature.id, "ok": 0, "failed": plan.failed[feature.id], "fresh": plan.fresh[feature.id]}
        for name, feature in plan.named.items()
    }
    summary.annotations = plan.annotated.reports
    yield from (Warned(line) for report in summary.annotations for line in report.lines())
    summary.annotated = [name for name, feature in plan.named.items() if feature.is_annotation]
    summary.waiting = {name: plan.waiting[f.id] for name, f in plan.named.items() if f.id in plan.waiting}
    news = compare(store, plan.scanned, tags=tags)
    summary.labels, summary.tags = news.labels, news.tags
    news.rows["core.duplicates"] = summary.duplicates.add(store, news.pairs)
    summary.vanished = find_vanished(store, plan.scanned, news.rows["core.datasets"])
    return Preview(plan, news, summary)
