"""The extraction engine: given tracks through worker processes, one result per track and feature set.

What it promises: an extractor runs where it belongs, after its inputs; a track's audio is decoded once for all that run
together; one that raises, hangs, returns wrong columns, eats memory or kills its process costs that track and feature
set only; and one that spoils its process for others is not believed: what fails there is tried again in a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mirstore.core.errors import ConfigError, did_you_mean
from mirstore.core.features import FeatureSet
from mirstore.core.isolated import places_of
from mirstore.core.jobs import Done, Job
from mirstore.core.line import Line, Passed
from mirstore.core.places import Place, Pool, cpu_pool, opened, places
from mirstore.core.supervise import Supervisor, refuse_scripts
from mirstore.core.workers import Limits


def extract(
    jobs: Iterable[Job],
    features: Sequence[FeatureSet],
    *,
    workers: int = 1,
    limits: Limits | None = None,
    pool: Pool = cpu_pool,
    where: Mapping[str, Place] | None = None,
) -> Iterator[Done]:
    """Compute features of tracks, in whatever order they finish.

    Parameters
    ----------
    jobs : iterable of Job
        Read as workers become free, so it may be longer than memory.
    features : sequence of FeatureSet
        Everything that the jobs name, and its inputs, each after those.
    workers : int > 0
        Calls that run at once on this machine's processors.
    limits : Limits
        Time and memory that one extractor may take for one track.
    pool : callable
        Makes the executor for those; the default makes local processes that see no GPU.
    where : Mapping of str to Place, optional
        The places that extractors name, beside environments of their own; this machine's by default.

    Yields
    ------
    Done
        One per job.

    Raises
    ------
    ConfigError
        If there is no such place as an extractor asks for.
    ClusterError
        If the place where extractors run is gone.
    """
    refuse_scripts(feature.extractor for feature in features)
    limits = limits or Limits()
    usual = where or places(workers, pool, {feature.place for feature in features})
    found = {**usual, **places_of(features, workers)}
    _refuse_unknown_places(features, found)
    line = Line(jobs, features, found, limits)
    crews = [(station.stage.place, station.crew) for station in line.stations]
    with Supervisor[Passed](opened(found, crews, limits), limits.seconds) as supervisor:
        while True:
            for batch in line.ready(supervisor):
                supervisor.submit(batch)
            if not line.inside:
                return
            for station, way, done in supervisor.finished():
                way.add(done)
                if not line.goes_on(station, way):
                    yield way.done


def _refuse_unknown_places(features: Iterable[FeatureSet], found: Mapping[str, Place]) -> None:
    for feature in features:
        if feature.place not in found:
            raise ConfigError(
                f"features.{feature.name}: there is no place {feature.place!r} to run extractors",
                hint=did_you_mean(feature.place, {"cpu", "gpu", *found}),
            )
