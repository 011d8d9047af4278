"""The views that a user's SQL sees, over the physical tables at one snapshot."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from weakref import WeakKeyDictionary

import duckdb

from mirstore.store.lake.kept import unkept
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest_commit_sql, latest_sql
from mirstore.store.lake.quoting import identifier
from mirstore.store.lake.schema import feature_of, order
from mirstore.store.sql.declared import with_files
from mirstore.store.sql.statement import parsed, parser, tables

# Tables hold events; a view shows the latest per key. `committed` is the same for all rows of one commit. What was
# removed, and tracks whose files are gone, are not in the tables that views see: mirstore.store.lake.hidden.
views = {
    "located": f"SELECT track, path, committed FROM ({latest_sql('core.locations', 'path')})",
    "file_tags": f"""
        SELECT track, path, tags FROM ({latest_sql("core.tags", "path")})
        SEMI JOIN located USING (track, path)
        WHERE tags IS NOT NULL  -- not read, or not to be used""",
    "tags": """
        SELECT track, path, tags->>'title' AS title, tags->>'artist' AS artist, tags->>'album' AS album,
               tags->>'albumartist' AS albumartist, (tags->'genre')::VARCHAR[] AS genre, tags->>'date' AS date,
               tags->>'tracknumber' AS tracknumber, (tags->>'bpm')::DOUBLE AS bpm,
               tags->>'mb_recording' AS mb_recording, tags->>'mb_release' AS mb_release, tags->>'mb_artist' AS mb_artist
        FROM file_tags""",
    # Of files of one recording, the first one's tags count. What they say beside credits and genres is an attribute.
    "track_tags": """
        SELECT track, tags->>'title' AS title, coalesce(tags->>'artist', tags->>'albumartist') AS artist,
               tags->>'album' AS album,
               json_merge_patch(tags, '{"title": null, "artist": null, "album": null, "genre": null}') AS attrs
        FROM (SELECT track, arg_min(tags, path) AS tags FROM file_tags GROUP BY track)""",
    # What a table says wins over the tags.
    "items": f"""
        SELECT dataset, track, coalesce(i.title, t.title) AS title, coalesce(i.artist, t.artist) AS artist,
               coalesce(i.album, t.album) AS album,
               coalesce(json_merge_patch(t.attrs, i.attrs), i.attrs, t.attrs)::JSON::MAP(VARCHAR, VARCHAR) AS attrs,
               position
        FROM ({latest_sql("core.items", "dataset, track")}) i LEFT JOIN track_tags t USING (track)""",
    "tracks": f"""
        SELECT track, path, coalesce(i.title, t.title) AS title, coalesce(i.artist, t.artist) AS artist,
               coalesce(i.album, t.album) AS album, duration, sr, channels, codec, bytes, samples,
               decoder, warnings,
               coalesce(json_merge_patch(t.attrs, i.attrs), i.attrs, t.attrs)::JSON::MAP(VARCHAR, VARCHAR) AS attrs,
               added
        FROM (SELECT track FROM core.locations WHERE track IS NOT NULL UNION SELECT track FROM core.tracks)
        LEFT JOIN ({latest_sql("core.tracks", "track")}) USING (track)
        LEFT JOIN (
            SELECT track, path FROM located
            QUALIFY row_number() OVER (PARTITION BY track ORDER BY committed DESC, path) = 1) USING (track)
        LEFT JOIN (
            SELECT track, arg_max(title, committed) AS title, arg_max(artist, committed) AS artist,
                   arg_max(album, committed) AS album, arg_max(attrs, committed) AS attrs
            FROM core.items GROUP BY track) i USING (track)
        LEFT JOIN track_tags t USING (track)""",
    "datasets": f"SELECT dataset, source, sha256, licence, added FROM ({latest_sql('core.datasets', 'dataset')})",
    "labels": f"""
        SELECT dataset, track, label_set, label, value
        FROM ({latest_commit_sql("core.labels", "dataset, track, label_set")})
        WHERE label IS NOT NULL  -- a label set that was removed is one row without a label""",
    "label_texts": """
        SELECT dataset, track, label_set, string_agg(label, '|' ORDER BY label) AS labels FROM labels GROUP BY ALL""",
    # Two files of one recording, or two tracks that are one: same samples, or (near) the same by their fingerprints.
    "duplicates": f"""
        WITH pairs AS ({latest_sql("core.duplicates", "kind, a_path, b_path")}),
        differing AS (
            SELECT a, b,
                   string_agg(DISTINCT x.label_set || ' differs: ' || x.labels || ', ' || y.labels, '; ') AS labels
            FROM (SELECT DISTINCT a, b FROM pairs WHERE a <> b) JOIN label_texts x ON x.track = a
            JOIN label_texts y ON y.track = b AND y.dataset = x.dataset AND y.label_set = x.label_set
            WHERE x.labels <> y.labels GROUP BY a, b)
        SELECT kind, a_path, b_path, a, b, score, coalesce(details, labels) AS details
        FROM pairs LEFT JOIN differing USING (a, b)
        WHERE (a, a_path) IN (SELECT (track, path) FROM located) AND (b, b_path) IN (SELECT (track, path) FROM located)
        ORDER BY kind, a_path, b_path""",
    "splits": f"""
        SELECT dataset, split, fold, track, part FROM ({latest_commit_sql("core.splits", "dataset, split, track")})""",
    "ledger": latest_sql("core.extractions", "coalesce(track, path), feature_set"),
    "feature_names": """
        SELECT name, feature_set, committed = max(committed) OVER (PARTITION BY name) AS current
        FROM (SELECT name, feature_set, max(committed) AS committed FROM core.names GROUP BY ALL)""",
    "features": """
        SELECT n.name AS feature, f.extractor || '@' || f.version AS extractor, n.feature_set AS id, n.current,
               f.params, coalesce(e.ok, 0) AS ok, coalesce(e.failed, 0) AS failed, e.seconds AS seconds_per_track,
               (SELECT count(*) FROM core.columns c WHERE c.feature_set = n.feature_set) AS columns,
               f.source, f.distributions, f.added
        FROM feature_names n JOIN core.feature_sets f USING (feature_set)
        LEFT JOIN (SELECT feature_set, count(*) FILTER (status IN ('ok', 'none')) AS ok,
                          count(*) FILTER (status = 'failed') AS failed, avg(seconds) AS seconds
                   FROM ledger GROUP BY feature_set) e USING (feature_set)""",
    "columns": """
        SELECT n.name AS feature, c."column", c.dtype, c.unit, c.low, c.high, c.nullable, c.text
        FROM core.columns c JOIN feature_names n USING (feature_set) WHERE n.current ORDER BY feature, position""",
    "lineage": """
        SELECT n.name AS feature, n.feature_set AS id, i.name AS reads, i.input AS reads_id
        FROM core.inputs i JOIN feature_names n USING (feature_set)""",
    # What can be retried: a failure is over when its file holds another track, or was read after all; and a version
    # that its name no longer means is not computed again.
    "failures": """
        SELECT l.track, coalesce(t.path, l.path) AS path, n.name AS feature, l.error, l.message,
               'mirstore {store}ingest ''' || replace(coalesce(t.path, l.path), '''', '''\\''''') || ''''
                   || coalesce(' --dataset ''' || replace(m.dataset, '''', '''\\''''') || '''', '')
                   || coalesce(' --features ' || n.name, '') || ' --retry-failed' AS retry
        FROM ledger l
        LEFT JOIN feature_names n ON n.feature_set = l.feature_set AND n.current
        LEFT JOIN tracks t ON t.track = l.track
        LEFT JOIN (SELECT track, min(dataset) AS dataset FROM items GROUP BY track) m ON m.track = l.track
        WHERE l.status = 'failed' AND (l.feature_set IS NULL OR n.name IS NOT NULL) AND CASE
            WHEN l.track IS NULL THEN NOT EXISTS (FROM located o WHERE o.path = l.path AND o.committed > l.committed)
            WHEN l.feature_set IS NULL AND l.track IN (
                SELECT d.track FROM core.tracks d WHERE d.committed > l.committed) THEN false
            ELSE l.track IN (SELECT o.track FROM located o) END""",
    "ingests": "SELECT ingest, command, seconds, committed AS snapshot, added FROM core.ingests",
    "run_states": latest_sql("core.run_events", "run"),
    "runs": """
        SELECT run, experiment, task, features, coalesce(config->'case'->>'chunk', 'none') AS chunk, grouping,
               smoothing, model, state, detail AS error, snapshot,
               config_sha256, r.added, run_states.added AS updated, run_states.committed
        FROM core.runs r JOIN run_states USING (run) WHERE state <> 'removed'""",
    "finished_runs": "SELECT run FROM runs WHERE state = 'finished'",  # of others, damage has left a part at most
    "metrics": "SELECT * EXCLUDE (committed) FROM core.metrics SEMI JOIN finished_runs USING (run)",
    "chance": "SELECT * EXCLUDE (committed) FROM core.chance SEMI JOIN finished_runs USING (run)",
    "group_importances": "SELECT * EXCLUDE (committed) FROM core.importances SEMI JOIN finished_runs USING (run)",
    "predictions": "SELECT * EXCLUDE (committed) FROM core.predictions SEMI JOIN finished_runs USING (run)",
    "chunk_predictions": "SELECT * EXCLUDE (committed) FROM core.chunk_predictions SEMI JOIN finished_runs USING (run)",
    "learning_curves": "SELECT * EXCLUDE (committed) FROM core.learning_curves SEMI JOIN finished_runs USING (run)",
    "contributions": "SELECT * EXCLUDE (committed) FROM core.contributions SEMI JOIN finished_runs USING (run)",
    "column_weights": "SELECT * EXCLUDE (committed) FROM core.column_weights SEMI JOIN finished_runs USING (run)",
    "label_distributions": """
        SELECT * EXCLUDE (committed) FROM core.label_distributions SEMI JOIN finished_runs USING (run)""",
    "held_out_distributions": """
        SELECT * EXCLUDE (committed) FROM core.held_out_distributions SEMI JOIN finished_runs USING (run)""",
    # A model that was taken out is a row with another state.
    "models": f"""
        SELECT name, artifact, card->'learned'->>'component' AS model, card->>'experiment' AS experiment,
               card->'data'->>'dataset' AS dataset, card->'data'->>'labels' AS labels,
               (card->'data'->>'tracks')::INTEGER AS tracks, card->'split'->>'metric' AS metric,
               json_extract(card, '$.scores.' || (card->'split'->>'metric') || '.mean')::DOUBLE AS score,
               scored_run AS run, card->>'licence' AS licence, bytes, weights, snapshot, added
        FROM ({latest_sql("core.artifacts", "artifact")}) WHERE state = 'kept' ORDER BY committed DESC""",
    # A pin that was taken out is a row without a snapshot.
    "pins": f"""
        SELECT name, snapshot, note, added FROM ({latest_sql("core.pins", "name")}) WHERE snapshot IS NOT NULL""",
    "removals": """
        SELECT kind, dataset, track, label_set, feature_set, coalesce(undone, false) AS undone,
               committed AS snapshot, added
        FROM core.removals""",
    "snapshots": "SELECT snapshot, added, message, command FROM core.snapshots",
}
"""View to its SELECT; later ones read earlier ones. ``{store}`` names the store where that is needed."""

internal = frozenset(
    {"file_tags", "label_texts", "located", "track_tags", "ledger", "feature_names", "run_states", "finished_runs"}
)


@dataclass(frozen=True)
class View:
    """A view.

    Parameters
    ----------
    name, query : str
        Its SELECT.
    table : str, optional
        The table of features that it shows, and nothing else.
    """

    name: str
    query: str
    table: str | None = None

    @property
    def reads(self) -> frozenset[str]:
        """The views and tables that it rests on, in lower case."""
        return frozenset({self.table.lower()}) if self.table else _reads(self.query)


_known: WeakKeyDictionary[Lake, tuple[int, Mapping[str, View]]] = WeakKeyDictionary()


def all_views(lake: Lake) -> Mapping[str, View]:
    """Return all views, each after those that it rests on, by their names in lower case: SQL's names know no case.

    Made once per commit: it takes longer than most statements.

    Parameters
    ----------
    lake : Lake
    """
    newest = lake.newest
    if lake not in _known or _known[lake][0] != newest:
        _known[lake] = newest, _all_views(lake)
    return _known[lake][1]


def _all_views(lake: Lake) -> dict[str, View]:
    option = "" if lake.address == "store" else f"--store {shlex.quote(lake.address)} "
    fixed = {name: query.replace("{store}", option.replace("'", "''")) for name, query in views.items()}
    found = {name.lower(): View(name, query) for name, query in fixed.items()}
    for name, table in feature_views(lake):
        found[name.lower()] = View(name, f"SELECT * FROM feat.{identifier(table)}", f"feat.{table}")
    return found


@cache
def _reads(query: str) -> frozenset[str]:
    with closing(duckdb.connect(config=parser)) as connection:
        return tables(parsed(connection, query))


def feature_views(lake: Lake) -> Iterator[tuple[str, str]]:
    """Yield a view per feature name, and per ``name@version`` for all that a name meant, with its table.

    What is not kept has no view: an empty one would look like an answer.

    Parameters
    ----------
    lake : Lake
    """
    versions = dict(lake.scan("core.feature_sets").select("feature_set", "version").collect().iter_rows())
    tables = {feature_of(table): table.removeprefix("feat.") for table in lake.tables() if table.startswith("feat.")}
    history = lake.scan("core.names").collect().sort(order)
    named: dict[str, tuple[str, str]] = {}
    empty = set(tables.values()) - with_files(lake)
    passed_over = unkept(lake) if empty else set()  # which reads the whole ledger
    for name, id_ in history.select("name", "feature_set").iter_rows():
        if id_ not in tables or (id_ in passed_over and tables[id_] in empty):
            continue
        numbers = [versions[id_]] if id_ in versions else []  # which may be lost, and the values are still there
        for alias in (name, *(f"{name}@{number}" for number in numbers), f"{name}@{id_}"):
            named[alias.lower()] = (alias, tables[id_])  # SQL's names know no case
    for key, view in named.items():
        if key not in views:
            yield view
