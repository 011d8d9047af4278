"""Whatever stands in a table or a registry, it is read or refused in words: no other exception, no crash.

Some seconds by default; ``MIRSTORE_FUZZ=100000`` runs so many examples per test.
"""

from __future__ import annotations

import gzip
import io
import os
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mirstore.core.errors import ConfigError, MirstoreError
from mirstore.core.registry import Registry
from mirstore.store.ingest.file_tables import read_listing
from mirstore.store.ingest.sources import find
from mirstore.store.tables import cells, column_roles
from mirstore.store.tables.column_options import Options
from mirstore.store.tables.feature_columns import feature_columns
from mirstore.store.tables.label_columns import label_rows
from mirstore.store.tables.reading import read
from mirstore.store.tables.report import Report

pytestmark = pytest.mark.slow
examples = settings(max_examples=int(os.environ.get("MIRSTORE_FUZZ", 300)), suppress_health_check=list(HealthCheck))

names = ["path", "id", "genre", "split", "fold", "label:x", "start", "tags", "TAGS", "a.wav", "train", "../.."]
numbers = ["1", "0", "1,5", "1e999", "-inf", "nan", "true", "NA", "9" * 30, "[1, 2]", "['a'", "[" * 50, "x---y", "---"]
signs = [
    "\n",
    "\r",
    "\r\n",
    ",",
    ";",
    "\t",
    "|",
    '"',
    '""',
    "'",
    "\\",
    "\0",
    "\u2028",
    "\x85",
    "\ufeff",
    "é",
    "🎵",
    "?",
]
arff = ["%", "@relation r", "@attribute a numeric", "@attribute", "@data", "{", "sep=;", " "]
pieces = st.sampled_from([*names, *numbers, *signs, *arff])
texts = st.lists(pieces | st.text(max_size=4), max_size=40).map("".join)
contents = st.binary(max_size=60) | st.builds(
    lambda text, encoding: text.encode(encoding, "replace"),
    texts,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "utf-32"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("fuzz")
    for name in ("a.wav", "1.wav", "01.mp3"):
        found.joinpath(name).write_bytes(b"")
    return found


def use(path):
    """Read a table in all the ways that commands do."""
    try:
        table = read(path)
    except MirstoreError:
        return
    assert table.frame.width
    for column in table.frame:
        cells.numbers(column)
        cells.text(column)
    report = Report("t")
    for way in (
        lambda: read_listing(path),
        lambda: read_listing(path, Options(labels=table.frame.columns[-1:])),
        lambda: find([path.with_name("a.wav"), path.with_name("01.mp3")], path),
        lambda: feature_columns(table.frame.clone(), table.frame.columns, path, report),
        lambda: label_rows(
            table.frame,
            column_roles.assign(
                table.frame, table.frame.columns[0], label_sets={"x": table.frame.columns}, among_features=True
            ),
        ),
    ):
        with suppress(MirstoreError):
            way()


@examples
@given(contents, st.booleans(), st.sampled_from(["t.csv", "t.tsv", "t.arff", "t.xlsx"]))
@example(b"\x1f\x8b\x08\x00", False, "t.csv")
@example(b'id,a\n1,"', False, "t.csv")
def test_tables_of_text(folder, content, gzipped, name):
    path = folder / name
    path.write_bytes(gzip.compress(content) if gzipped else content)
    use(path)


def parquet():
    frame = pl.DataFrame(
        {
            "path": ["a.wav", "1.wav", None],
            "genre": pl.Series(["rock", "jazz", "rock"], dtype=pl.Categorical),
            "tags": [["x", "y"], [], None],
            "v": pl.Series([[1.0, 2.0], [3.0, 4.0], None], dtype=pl.Array(pl.Float64, 2)),
            "s": [{"a": 1, "b": "x"}, {"a": 2, "b": None}, None],
            "n": [1, None, 3],
            "f": [1.5, float("nan"), None],
            "b": [True, None, False],
        }
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


whole = parquet()


@examples
@given(
    st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=12), st.integers(0, len(whole))
)
def test_damaged_parquet(folder, changes, cut):
    damaged = bytearray(whole)
    for place, byte in changes:
        damaged[place] = byte
    path = folder / "t.parquet"
    path.write_bytes(bytes(damaged[:cut] if cut % 4 == 0 else damaged))
    use(path)


plain = [pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.Decimal(10, 2), pl.Boolean, pl.Null, pl.String, pl.Binary]
times = [pl.Date, pl.Datetime, pl.Duration, pl.Time]
nested = [pl.List(pl.String), pl.List(pl.Int64), pl.Array(pl.Float32, 2), pl.List(pl.List(pl.Float64))]
coded = [pl.Categorical, pl.Enum(["a", "b"]), pl.Struct({"a": pl.Int8, "b": pl.List(pl.String)})]
kinds = st.sampled_from([*plain, *times, *nested, *coded])


@examples
@given(st.data())
def test_parquet_of_all_types(folder, data):
    from polars.testing.parametric import series

    names = data.draw(
        st.lists(st.sampled_from(["path", "id", "genre", "split", "fold", "x", "", "0"]), min_size=1, unique=True)
    )
    size = data.draw(st.integers(0, 5))
    columns = [data.draw(series(name=name, dtype=data.draw(kinds), min_size=size, max_size=size)) for name in names]
    path = folder / "types.parquet"
    pl.DataFrame(columns).write_parquet(path)
    use(path)


words = st.sampled_from(
    "schema=1 [features.a] [groupings.a] [models.a] [tasks.t] [experiments.e] [experiments.e.matrix] [workers.w] "
    "extractor= params= inputs= grouper= groups= model= task= dataset= labels= split= metric= folds= seed= runs= "
    "classes= 'a@1' \"x\" 1 -1 1e400 nan true [] ['a'] {} {a=1} {'a'='b'} = . # '''".split()
)
tomls = st.lists(words | st.text(max_size=3), max_size=25).flatmap(
    lambda parts: st.lists(st.sampled_from(["\n", " ", ""]), min_size=len(parts), max_size=len(parts)).map(
        lambda ends: "".join(part + end for part, end in zip(parts, ends, strict=True))
    )
)


@examples
@given(st.binary(max_size=40) | tomls.map(lambda text: text.encode("utf-8", "replace")))
@example(b"schema = 1\n[experiments.e]\ntask = 't'\nmodel = 'm'\nfeatures = ['a']\nmatrix.features = [['a']]")
@example(b"a = " + b"[" * 3000)
def test_registries(folder, content):
    path = folder / "registry.toml"
    path.write_bytes(content)
    with suppress(ConfigError):
        assert Registry.load(path).version == 1
