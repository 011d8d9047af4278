"""The store as its readers know it: features, labels and splits by name, SQL over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.features import FeatureSet
from mirstore.store import names, values
from mirstore.store.lake.compacting import compact
from mirstore.store.lake.gc import collect
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.purge import Purged, purge
from mirstore.store.lake.tensors import SoundReader, TensorReader
from mirstore.store.sql import session
from mirstore.store.sql.views import views
from mirstore.store.values import Rows


class Store(Lake):
    """A versioned feature store in a folder.

    Parameters
    ----------
    path : str or path
        The folder.
    create : bool
        Make it if it is not there.
    read_only : bool
        Refuse to write; a store on read-only media can be opened this way.
    snapshot : int, optional
        See the store as it was then; implies ``read_only``. What was removed since is not there either.
    command : str
        What the user asked; kept with every commit.

    Raises
    ------
    StoreError
        If it is not there, damaged, or made by a newer mirstore.

    Examples
    --------
    >>> with Store("store") as store:                               # doctest: +SKIP
    ...     frame = store.features(["essentia", "mfcc-stats"])
    ...     fast = store.sql("SELECT title FROM tracks JOIN essentia USING (track) WHERE bpm > 160")
    """

    reserved = frozenset(views)

    def names(self) -> dict[str, str]:
        """Return what each feature name means now: its feature set's id."""
        return names.current(self)

    def feature_set_ids(self) -> set[str]:
        """Return the ids of all feature sets that were not removed."""
        return set(self.scan("core.feature_sets").select("feature_set").collect()["feature_set"]) - self.hidden.features

    def resolve(self, name: str) -> str:
        """Return the id that a name, ``name@version`` or id stands for; see `mirstore.store.names.resolve`.

        Parameters
        ----------
        name : str

        Raises
        ------
        UnknownNameError
            If nothing stored is called so.
        UsageError
            If it was removed.
        """
        return names.resolve(self, name)

    def meant(self, name: str) -> list[str]:
        """Return all ids that a name, ``name@version`` or id has meant, the latest last, removed ones too.

        Parameters
        ----------
        name : str
        """
        return names.meant(self, name)

    def table(self, feature_set: str) -> str:
        """Return the table of a feature set's id.

        Parameters
        ----------
        feature_set : str
            Id of one that is stored.
        """
        return names.table(self, feature_set)

    def unknown_feature_sets(self, features: Mapping[str, FeatureSet]) -> list[str]:
        """Return the names that do not mean these feature sets, or not any more, and those that damage has cost a part.

        Parameters
        ----------
        features : Mapping of str to FeatureSet
            By name.
        """
        known, unrecorded = self.names(), names.unrecorded(self, features)
        return [name for name, feature in features.items() if known.get(name) != feature.id or name in unrecorded]

    def about(self, name: str) -> dict[str, Any]:
        """Return what is recorded about a feature set: definition, lineage, columns. An id does if it was removed.

        Parameters
        ----------
        name : str
            Name, ``name@version`` or id.

        Returns
        -------
        dict
            ``name``, ``feature_set`` (id), ``extractor`` (``name@version``), ``params``, ``weights`` (SHA-256 or None),
            ``source``, ``inputs`` (name to id), ``distributions`` (name to version), ``columns`` (a dict each).

        Raises
        ------
        UnknownNameError
            If nothing stored is called so.
        UsageError
            If it was removed, and is not asked for by its id.
        """
        return values.about(self, name)

    def features(self, names: str | Sequence[str], tracks: str | Sequence[str] | None = None) -> pl.DataFrame:
        """Return features as a wide table, one row per track, or per track and ``start``.

        Parameters
        ----------
        names : str or sequence of str
            Feature sets by name, ``name@version`` or id; with several, columns are called ``name.column``, and only
            tracks that have all of them are returned. Two with several rows per track are matched by ``start``, if both
            declare the same grid.
        tracks : str or sequence of str, optional
            Only these.

        Raises
        ------
        UnknownNameError
            If nothing stored is called so.
        UsageError
            If two have rows at different times, or values are not kept.
        """
        return values.wide(self, names, tracks)

    def rows(self, table: str, tracks: Sequence[str], *, away: bool = False) -> Rows:
        """Return the stored rows of those tracks that have any, as a worker returned them: tensors by reference.

        Parameters
        ----------
        table : str
            Of a feature set: `FeatureSet.table`.
        tracks : sequence of str
            Each once; the rows come in their order.
        away : bool
            Whether they are for workers that do not see the store's folder: tensors are not fetched then, and where
            they are is relative to it.
        """
        return values.rows(self, table, tracks, away=away)

    def tensors(self, name: str, tracks: str | Sequence[str] | None = None, column: str | None = None) -> TensorReader:
        """Return the tensors or sounds of a feature set as an indexed reader, for torch's DataLoader or a loop.

        Parameters
        ----------
        name : str
            Feature set.
        tracks : str or sequence of str, optional
            These, in this order; all by default, ordered by track.
        column : str, optional
            Needed if the feature set has several tensor columns.

        Raises
        ------
        UnknownNameError
            If there is no such feature set, tensor column or track.
        """
        return values.tensors(self, name, tracks, column)

    def sounds(self, name: str, tracks: str | Sequence[str] | None = None, column: str | None = None) -> SoundReader:
        """Return the sounds of a feature set, as `tensors` does; each is an `Audio`, and ``.wav()`` a file to play.

        Parameters
        ----------
        name : str
            Feature set.
        tracks : str or sequence of str, optional
            These, in this order; all by default, ordered by track.
        column : str, optional
            Needed if the feature set has several such columns.

        Raises
        ------
        UnknownNameError
            If there is no such feature set, column or track.
        UsageError
            If it has no sounds, or they are not kept.
        """
        return values.sounds(self, name, tracks, column)

    def sql(self, query: str, *, timeout: float = 60.0, memory: str = "2GB") -> pl.DataFrame:
        """Answer one SELECT statement over the views, locked down: it can read nothing else and write nothing.

        It runs in a process of its own, which is kept for the next one. Threads may ask at once.

        Parameters
        ----------
        query : str
            `schema` names the views; features have one each, called as they are.
        timeout : float > 0 [s]
            Then the process is ended, whatever it is at.
        memory : str
            What the query may take, and its answer, as ``"500MB"`` or ``"4GB"``.

        Raises
        ------
        UsageError
            If it is not one SELECT statement, or names something that is not there.
        QueryStoppedError
            If it took more time or memory, or crashed the database engine.
        StoreError
            If a file that it reads is damaged, or no process can be started.

        Examples
        --------
        >>> with Store("store", create=True) as store:
        ...     store.sql("SELECT count(*) AS n FROM tracks").rows()
        [(0,)]
        """
        return session.run(self, query, timeout=timeout, memory=memory)

    def schema(self) -> str:
        """Return the views with their columns, types, units and meanings as text."""
        return session.describe(self)

    # Maintenance

    def compact(self) -> None:
        """Merge the small files of many commits; every snapshot stays readable.

        A table's files are merged up to where the next is much larger than they are together, so their number grows
        with the logarithm of the rows, and no row is written again more often than that. Files of half a gigabyte stay.

        Raises
        ------
        StoreError
            As for `write`.
        """
        compact(self)

    def gc(self, grace: float = 86400.0, *, dry_run: bool = False) -> list[Path]:
        """Remove files that no snapshot needs and that are older than ``grace`` [s]; return them.

        Nothing behind a link is removed.

        Parameters
        ----------
        grace : float >= 0 [s]
            A day by default: whoever began to read a file has it for so long.
        dry_run : bool
            Return them, and remove nothing.
        """
        return collect(self, grace, dry_run=dry_run)

    def purge(self, *, dry_run: bool = False) -> Purged:
        """Erase what was removed, in all snapshots; see `mirstore.store.lake.purge`.

        Parameters
        ----------
        dry_run : bool
            Say what would be erased, and erase nothing.
        """
        return purge(self, dry_run=dry_run)
