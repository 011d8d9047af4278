"""Tensor packs without the tensors of some tracks."""

from __future__ import annotations

from collections.abc import Iterable, Set

import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.packs import references
from mirstore.store.lake.files import DataFile
from mirstore.store.lake.home import Home
from mirstore.store.lake.schema import feature_of
from mirstore.store.lake.tensors import pack_folder, pack_path, write_pack


class Packs:
    """The tensor packs that hold erased tracks, written anew: other tracks' rows name the new ones."""

    def __init__(
        self, home: Home, files: Iterable[DataFile], tracks: Set[str], features: Set[str], *, dry_run: bool
    ) -> None:
        self.renamed: dict[tuple[str, str], tuple[str, int] | None] = {}  # by feature set and pack
        for table, group in _by_table(files).items():
            feature = feature_of(table)
            if not table.startswith("feat.") or feature in features:
                continue
            used: dict[str, list[tuple[str, str]]] = {}
            for file in group:
                rows = pq.read_table(file.path)
                for name in _tensor_columns(rows):
                    pairs = zip(rows["track"].to_pylist(), rows[name].to_pylist(), strict=True)
                    for track, reference in pairs:
                        if reference is not None:
                            used.setdefault(reference["pack"], []).append((track, reference["key"]))
            for pack, keys in used.items():
                if not any(track in tracks for track, _ in keys):
                    continue
                left = sorted({key for track, key in keys if track not in tracks})
                folder = pack_folder(home.path, feature)
                if dry_run or not left:
                    self.renamed[feature, pack] = ("", 0) if left else None
                    continue
                home.fetch({pack_path(folder, pack): None})
                there = {reference.key: reference for reference in references(pack_path(folder, pack))}
                new = write_pack(folder, {key: there[key] for key in left})
                home.publish([pack_path(folder, new[0])])
                self.renamed[feature, pack] = new

    def references(self, table: str, rows: pa.Table) -> pa.Table:
        """Return rows that name the new packs.

        Parameters
        ----------
        table : str
        rows : pa.Table
            Of that table.
        """
        if not self.renamed:
            return rows
        if table == "core.packs":
            return self._listed(rows)
        for name in _tensor_columns(rows) if table.startswith("feat.") else []:
            old = rows[name].to_pylist()
            feature = feature_of(table)
            renamed = {pack: new[0] for (where, pack), new in self.renamed.items() if where == feature and new}
            new = [value and {**value, "pack": renamed.get(value["pack"], value["pack"])} for value in old]
            at = rows.schema.get_field_index(name)
            rows = rows.set_column(
                at, rows.schema.field(at), pa.chunked_array([pa.array(new, rows.schema.field(at).type)])
            )
        return rows

    def _listed(self, rows: pa.Table) -> pa.Table:
        new = []
        for row in rows.to_pylist():
            there = self.renamed.get((row["feature_set"], row["pack"]), (row["pack"], row["bytes"]))
            if there is not None:
                path = row["path"].replace(row["pack"], there[0])
                new.append({**row, "pack": there[0], "bytes": there[1], "path": path})
        return pa.Table.from_pylist(new, schema=rows.schema)


def _by_table(files: Iterable[DataFile]) -> dict[str, list[DataFile]]:
    found: dict[str, list[DataFile]] = {}
    for file in files:
        found.setdefault(file.table, []).append(file)
    return found


def _tensor_columns(rows: pa.Table) -> list[str]:
    return [field.name for field in rows.schema if pa.types.is_struct(field.type)]
