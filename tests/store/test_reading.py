"""Tables of all formats: cells come out as they were written, and what does not fit is refused with its line."""

from __future__ import annotations

import builtins
import gzip

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirstore.core.errors import PluginError, UsageError
from mirstore.store.tables.cells import numbers, text
from mirstore.store.tables.reading import is_table, read


def rows(path):
    return read(path).frame.rows()


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
def test_separators_are_found_whatever_the_suffix(tmp_path, separator, name):
    lines = ["id", "title", "bpm"], ["000002", "a.b", "1"], ["12e4", "c d", "2"]
    (tmp_path / name).write_text("".join(separator.join(line) + "\n" for line in lines))
    assert rows(tmp_path / name) == [("000002", "a.b", "1"), ("12e4", "c d", "2")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\u2028", "\x85", "\x0b", "\x0c", '"', ",", "\x1c"])
def test_what_separates_lines_elsewhere_stays_inside_cells(tmp_path, end, inside):
    quoted = f"Foo{inside}Bar".replace('"', '""')
    content = f'path,title,genre{end}a.wav,"{quoted}",rock{end}b.wav,"x",pop{end}'
    (tmp_path / "t.csv").write_bytes(content.encode())
    assert rows(tmp_path / "t.csv") == [("a.wav", f"Foo{inside}Bar", "rock"), ("b.wav", "x", "pop")]


@pytest.mark.parametrize("inside", ["\u2028", "\x85", "\x0b", "\x0c"])
def test_they_do_so_without_quotes_too(tmp_path, inside):
    (tmp_path / "t.csv").write_bytes(f"path,title,genre\na.wav,Foo{inside}Bar,rock\n".encode())
    assert rows(tmp_path / "t.csv") == [("a.wav", f"Foo{inside}Bar", "rock")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("gzipped", [False, True])
def test_encodings_and_gzip(tmp_path, encoding, gzipped):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    data = f"{mark}id,artist\n1,Björk\n".encode(encoding)
    path = tmp_path / ("t.csv.gz" if gzipped else "t.csv")
    path.write_bytes(gzip.compress(data) if gzipped else data)
    table = read(path)
    assert table.frame.rows() == [("1", "Björk")]
    assert table.frame.columns == ["id", "artist"]
    assert any("Windows-1252" in remark for remark in table.remarks) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,a,b\n1,2,3\n2,3\n", r"line 3 has 2 cells, the header 3 \(separated by commas\)"),
        ("id,a,b\n1,2,3\n\n2,3,4,5\n", "line 4 has 4 cells, the header 3"),
        ('id,a\n1,"x\ny"\n2\n', "line 4 has 1 cells, the header 2"),
        ('id,a\n1,x\n2,"y\n3,z\n', "line 3: opens a quote that is never closed"),
        ('id,a\n1,"x" y\n', "line 2: .* expected after"),
        ("id,a,a\n1,2,3\n", "column 'a' stands there twice"),
        ("id,,\n1,2,3\n", "column 2 has no name"),
        ("id,a\n", "has no rows"),
        ("", "has no rows"),
        ("id\0,a\n1,2\n", "zero bytes"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / "t.csv")


def test_empty_columns_without_a_name_are_left_out_and_told(tmp_path):
    (tmp_path / "t.csv").write_text("id,a,\n1,2,\n\n ,,\n3,4, \n")
    table = read(tmp_path / "t.csv")
    assert (table.frame.columns, table.frame.height) == (["id", "a"], 2)
    assert table.remarks == ["column 3 has neither a name nor cells: left out"]


def test_excels_first_line_names_the_separator(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\nid;a\n1;2,5\n2\n")
    with pytest.raises(UsageError, match="line 4 has 1 cells"):
        read(tmp_path / "t.csv")


def test_long_cells_are_read(tmp_path):
    (tmp_path / "t.csv").write_text(f"id,lyrics\n1,{'la ' * 100_000}\n")
    assert len(rows(tmp_path / "t.csv")[0][1]) == 300_000


def test_tables_longer_than_a_chunk_keep_their_order(tmp_path):
    (tmp_path / "t.csv").write_text("id,a\n" + "".join(f"{i},{-i}\n" for i in range(600_000)))
    frame = read(tmp_path / "t.csv").frame
    assert frame["id"].to_list() == [str(i) for i in range(600_000)]


def test_headers_of_several_rows_as_fma_has_them(tmp_path):
    (tmp_path / "tracks.csv").write_text(
        ",album,album,set,track,track\n,comments,title,split,genre_top,title\ntrack_id,,,,,\n"
        '2,0,AWOL,training,Hip-Hop,"Food\nline"\n3,0,AWOL,validation,,Electric\n'
    )
    frame = read(tmp_path / "tracks.csv").frame
    assert frame.columns == ["track_id", "album_comments", "album_title", "set_split", "track_genre_top", "track_title"]
    assert frame.row(0) == ("2", "0", "AWOL", "training", "Hip-Hop", "Food\nline")
    (tmp_path / "features.csv").write_text(
        "feature,chroma,chroma,mfcc\nstatistics,kurtosis,kurtosis,mean\nnumber,01,02,01\ntrack_id,,,\n2,7.1,-0.2,3\n"
    )
    frame = read(tmp_path / "features.csv").frame
    assert frame.columns == ["track_id", "chroma_kurtosis_01", "chroma_kurtosis_02", "mfcc_mean_01"]
    assert frame.rows() == [("2", "7.1", "-0.2", "3")]


def test_arff_as_opensmile_writes_it(tmp_path):
    (tmp_path / "t.arff").write_text(
        "% made by openSMILE\n@relation 'a b'\n\n@attribute name string\n@attribute 'F0 mean' numeric\n"
        "@attribute class {rock, 'hard rock'}\n\n@DATA\n'it\\'s, a.wav',1.5,'hard rock'\n% no row\nb.wav,?,rock\n"
    )
    table = read(tmp_path / "t.arff")
    assert table.frame.columns == ["name", "F0 mean", "class"]
    assert table.frame.rows() == [("it's, a.wav", "1.5", "hard rock"), ("b.wav", "?", "rock")]


@pytest.mark.parametrize(
    ("data", "message"), [("1,2\n", "line 5 has 2 cells, the header 1"), ("{0 1}\n", "line 5 is sparse")]
)
def test_arff_that_does_not_fit_is_refused(tmp_path, data, message):
    (tmp_path / "t.arff").write_text(f"@relation r\n@attribute a numeric\n@data\n3\n{data}")
    with pytest.raises(UsageError, match=message):
        read(tmp_path / "t.arff")


def test_parquet_keeps_types_flattens_structs_and_leaves_bytes_out(tmp_path):
    frame = pl.DataFrame(
        {
            "id": [1, 2],
            "genre": pl.Series(["rock", "jazz"], dtype=pl.Categorical),
            "f": [{"a": 1.0, "b": {"c": 2}}, {"a": 3.0, "b": {"c": 4}}],
            "raw": [b"x", b"y"],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert table.frame.to_dict(as_series=False) == {
        "id": [1, 2],
        "genre": ["rock", "jazz"],
        "f_a": [1.0, 3.0],
        "f_b_c": [2, 4],
    }
    assert table.remarks == ["column 'raw' holds bytes: left out"]


def test_excel_is_read_as_text(tmp_path):
    pytest.importorskip("fastexcel", reason="needs the extra excel")
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["id", "bpm", "live"], ["0012", 120.5, True], [None, None, None], [7, None, False]):
        book.active.append(row)
    book.create_sheet("more")
    book.save(tmp_path / "t.xlsx")
    table = read(tmp_path / "t.xlsx")
    assert table.frame.rows() == [("0012", "120.5", "true"), ("7", "", "false")]
    assert table.remarks == ["sheet 'Sheet' was read, not 'more'"]


def test_excel_without_its_extra_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "t.xlsx").write_bytes(b"PK\3\4")
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "fastexcel":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PluginError, match="needs an extra") as error:
        read(tmp_path / "t.xlsx")
    assert error.value.hint == "pip install 'mirstore[excel]'"


def test_tables_are_known_by_name():
    assert [name for name in ("a.CSV", "a.csv.gz", "a.xlsx", "a.wav", "a.wav.gz", "a") if is_table(name)] == [
        "a.CSV",
        "a.csv.gz",
        "a.xlsx",
    ]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(",\t;|"), st.integers(2, 5))
def test_what_was_written_with_quotes_comes_back(tmp_path_factory, data, separator, width):
    content = data.draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6))
    content = [row for row in content if any(cell.strip() for cell in row)] or [["x"] * width]
    path = tmp_path_factory.mktemp("t") / "t.csv"
    lines = [[f"c{i}" for i in range(width)], *content]
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    path.write_bytes("\n".join(quoted).encode())
    assert rows(path) == [tuple(row) for row in content]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", " 2.5 ", "NA", "N/A", "NULL", "null", "None", "#N/A", "?", "nan", ""], [1.0, 2.5, *[None] * 9]),
        (["inf", "-Infinity", "1e3"], [float("inf"), float("-inf"), 1000.0]),
        (["0,81", "1,234", "5"], [0.81, 1.234, 5.0]),
        (["True", "false"], [1.0, 0.0]),
        (["", "NA"], [None, None]),
    ],
)
def test_columns_of_numbers(cells, values):
    assert numbers(pl.Series("x", cells)).values.to_list() == values


def test_columns_of_other_things():
    assert numbers(pl.Series("x", ["1", "2", "unknown"])).stray == (3, "unknown")
    assert numbers(pl.Series("x", ["a", "b", "1"])).stray is None
    assert numbers(pl.Series("x", ["1,234", "2,345"])).commas == "unclear"
    assert numbers(pl.Series("x", ["0724384260958123456"])).beyond
    assert numbers(pl.Series("x", [2**60])).beyond


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pl.Series([1970, None]), ["1970", None]),
        (pl.Series([1970.0, None, float("nan")]), ["1970", None, None]),
        (pl.Series([0.5, 1.0]), ["0.5", "1.0"]),
        (pl.Series([True, False, None]), ["true", "false", None]),
        (pl.Series(["00", " x ", "NA", ""]), ["00", "x", None, None]),
    ],
)
def test_any_type_as_text(column, words):
    assert text(column).to_list() == words


def test_parquet_whose_notes_on_types_are_damaged_is_read(tmp_path):
    """Polars panics on them; found by fuzzing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.dictionary(pa.uint32(), pa.large_string())
    field = pa.field("genre", kind, metadata={"_PL_CATEGORICAL2": "nonsense"})
    column = pa.array(["rock", "jazz"], pa.large_string()).dictionary_encode().cast(kind)
    pq.write_table(pa.Table.from_arrays([column], schema=pa.schema([field])), tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == [("rock",), ("jazz",)]
