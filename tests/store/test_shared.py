"""What only a store that many share can do, or suffer: addresses, servers that fail, several machines, secrets."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest
from done import ingest, preview
from inline import here
from servers import password, running_postgres, started_postgres
from test_store import Patches, fill, lose, loudness, overwrite, stamp
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import bucket as buckets
from mirstore.core.bucket import Bucket
from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import StoreError, TrackError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.workers import Limits, Work, run_jobs
from mirstore.store import Store, removal
from mirstore.store.ingest.committer import Committer
from mirstore.store.ingest.sources import find
from mirstore.store.lake.database import Postgres
from mirstore.store.lake.doctor import doctor, examine
from mirstore.store.lake.files import scheduled
from mirstore.store.lake.rebuilding import rebuild
from mirstore.store.lake.repairing import repair
from mirstore.store.lake.shared import home_at

rng = np.random.default_rng(440)
patches = FeatureSet("patches", Patches())


@pytest.fixture
def address(servers, monkeypatch):
    """A store that is not there yet."""
    monkeypatch.setattr(buckets, "_patience", {**buckets._patience, "max_retries": 1})
    buckets._found.cache_clear()
    yield servers.new_store()
    buckets._found.cache_clear()  # what the environment said


@pytest.fixture
def store(address):
    with Store(address, create=True) as store:
        yield store


@contextmanager
def environment(**names: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        buckets._found.cache_clear()
        yield
    buckets._found.cache_clear()


def execute(address: str, query: str) -> list[tuple]:
    with psycopg.connect(address.partition("?")[0], autocommit=True) as database:
        found = database.execute(query)
        return found.fetchall() if found.description else []


def tensors(store: Store, track: str = "a") -> None:
    with store.write("tensors") as tx:
        tx.add_feature_set("patches", patches, **stamp)
        row = {"track": track, "start": 0.0, "mel": np.full((4, 9), ord(track), np.float16)}
        tx.append_features(patches, [row], **stamp)


def there(store: Store) -> set[str]:
    """Return the names of all objects but those of checksums, which a merge makes one of."""
    names = {store.home.bucket.key(path) for path, _ in store.home.bucket.list()}
    return {name for name in names if not name.startswith("sums/")}


def copy_of(address: str, name: str) -> None:
    """Make a database from another, as a backup does."""
    execute(
        address.replace(urlsplit(address).path, "/postgres"), f"CREATE DATABASE {name} TEMPLATE {database(address)}"
    )


def database(address: str) -> str:
    return urlsplit(address).path.strip("/")


# Addresses


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgres://me:geheim@host/lake?data=s3://b/f", "has a password"),
        ("postgres://me:ge#geheim@host/lake?data=s3://b/f", "has a password"),
        ("postgres://me:ge/geheim@host/lake?data=s3://b/f", "has a password"),
        ("postgres://me:ge?geheim@host/lake?data=s3://b/f", "has a password"),
        ("postgres://me@host/lake?password=geheim&data=s3://b/f", "has a password"),
        ("postgres://me@host/lake?Password=geheim&data=s3://b/f", "has a password"),
        ("postgres://me@host/lake?sslpassword=geheim&data=s3://b/f", "has a password"),
        ("postgres://me@host?data=s3://b/f", "no address of a store"),
        ("postgres://[::1/x?data=s3://b/f", "no address of a store"),
        ("mysql://me:geheim@host/lake", "a store is a folder, or postgres://"),
        ("s3://geheim@bucket/lake", "a store is a folder, or postgres://"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_secrets(address, message):
    with pytest.raises(UsageError, match=message) as error:
        home_at(address)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("data", ["s3://key:geheim@bucket/f", "ftp://geheim/f", "s3://b/f?geheim", "/srv/geheim"])
def test_a_place_for_data_that_is_none_is_refused_without_its_secrets(address, data):
    with pytest.raises(UsageError, match="no place for data") as error:
        home_at(f"{address.partition('?')[0]}?data={data}")
    assert "geheim" not in str(error.value)


def test_the_place_of_the_data_need_only_be_said_once(address):
    short = address.partition("?")[0]
    with pytest.raises(UsageError, match="no store here, and no place for data"):
        Store(short, create=True)
    with pytest.raises(StoreError, match="no store here"):
        Store(address)
    Store(address, create=True).close()
    with Store(short) as store:
        assert fill(store, ["a"]) == 1
        assert store.address == address
    with pytest.raises(UsageError, match=r"its data is in s3://lake/\w+, not in s3://lake/elsewhere"):
        Store(f"{short}?data=s3://lake/elsewhere")


def test_a_store_whose_making_was_killed_is_made_again(address):
    code = "from mirstore.store.lake import shared; import os; from mirstore.store import Store; "
    code += f"shared.Shared.publish = lambda *_: os.kill(os.getpid(), 9); Store({address!r}, create=True)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    with pytest.raises(StoreError, match="no store here"):
        Store(address)
    with Store(address, create=True) as store:
        fill(store, ["a"])
        assert doctor(store) == []


# Several machines


writer = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[1])
    from test_store import Store, loudness, stamp
    with Store(sys.argv[2]) as store:
        for number in range(10):
            track = f"{sys.argv[3]}{number}"
            with store.write("both") as tx:
                tx.append("core.items", [{"dataset": "d", "track": track, **stamp}])
                tx.append_features(loudness, [{"track": track, "rms_db": 1.0}], **stamp)
    """
)

reader = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[1])
    from test_store import Store
    seen = {0}
    while max(seen) < int(sys.argv[3]):
        with Store(sys.argv[2], read_only=True) as store:
            now = store.snapshot_id
        with Store(sys.argv[2], snapshot=now) as store:
            items = store.scan("core.items").collect()["track"].sort().to_list()
            values = store.features("loudness")["track"].sort().to_list()
        assert items == values, (items, values)
        assert len(values) >= max(seen)
        seen.add(len(values))
    print(len(seen))
    """
)


@pytest.mark.slow
def test_four_machines_commit_at_once_and_a_fifth_sees_whole_commits_only(store, tmp_path):
    with store.write("first") as tx:
        tx.add_feature_set("loudness", loudness, **stamp)

    def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
        own = {**os.environ, "MIRSTORE_CACHE": str(tmp_path / arguments[0])}
        command = [sys.executable, "-c", code, str(Path(__file__).parent), store.address, *arguments]
        return subprocess.Popen(command, env=own, stdout=subprocess.PIPE)

    processes = [*(start(writer, name) for name in "wxyz"), start(reader, "40")]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 5
    assert int(said[-1]) > 2  # it looked while they wrote
    tracks = store.features("loudness")["track"]
    assert sorted(tracks) == sorted(f"{name}{number}" for name in "wxyz" for number in range(10))
    assert doctor(store) == []


def test_a_commit_whose_lock_was_lost_fails_and_does_not_become_another_snapshot(store):
    @contextmanager
    def lost():
        yield

    with Store(store.address) as other:
        other.home.lock = lost

        def commit():
            with other.write("late") as tx:
                tx.append("core.pins", [{"name": "late"}])
                with store.write("first") as first:
                    first.append("core.pins", [{"name": "first"}])

        with pytest.raises(StoreError, match="another process committed at the same time"):
            commit()
        assert other.scan("core.pins").collect()["name"].to_list() == ["first"]
        with other.write("again") as tx:
            tx.append("core.pins", [{"name": "late"}])
        assert other.scan("core.pins").select("name", "committed").collect().rows() == [
            ("first", other.newest - 1), ("late", other.newest),
        ]  # fmt: skip


def test_another_machine_reads_tables_tensors_and_goes_on(store, tmp_path, monkeypatch):
    fill(store, ["a"])
    tensors(store)
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "another machine"))
    with Store(store.address) as other:
        assert other.path != store.path
        assert other.features("loudness").to_dicts() == [{"track": "a", "rms_db": 0.0}]
        np.testing.assert_array_equal(other.tensors("patches")[0], np.full((4, 9), ord("a"), np.float16))
        assert other.sql("SELECT rms_db FROM loudness")["rms_db"].to_list() == [0.0]
        tensors(other, "b")
        fill(other, ["a", "b"])
    assert sorted(store.tensors("patches").tracks) == ["a", "b"]
    assert store.features("loudness").height == 2


def test_copies_on_another_machine_of_what_was_purged_go_with_its_next_gc(store, tmp_path, monkeypatch):
    fill(store, ["a"])
    tensors(store)
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "another machine"))
    with Store(store.address) as other:
        assert other.tensors("patches")[0].shape == (4, 9)
        (copy,) = other.path.joinpath("tensors").rglob("*.safetensors")
        removal.remove(store, removal.features(store, ["patches"]), "rm")
        store.purge()
        assert copy.exists()
        assert copy in other.gc(0.0)
        assert not copy.exists()


# What fails


def crash(address: str, where: str) -> None:
    """Commit in a process that kills itself in the middle."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from mirstore.core.bucket import Bucket\nfrom mirstore.store.lake.shared import Shared\n"
        "from test_shared import Store, fill, tensors\nstore = Store(sys.argv[2])\n"
        f"{where}\ntensors(store, 'k')\nfill(store, ['k'])"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), address]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}).returncode == -9


after = "real = {0}\ndef kill(*given): real(*given); os.kill(os.getpid(), 9)\n{0} = kill"


@pytest.mark.slow
@pytest.mark.parametrize("where", ["Bucket._put", "Shared.publish"])
def test_a_writer_that_is_killed_before_its_commit_leaves_nothing_to_see_and_gc_removes_it(store, where):
    fill(store, ["a"])
    tensors(store)
    before, snapshot = there(store), store.snapshot_id
    crash(store.address, after.format(where))
    assert store.snapshot_id == snapshot
    assert store.features("loudness")["track"].to_list() == store.tensors("patches").tracks == ["a"]
    assert doctor(store) == []
    left = there(store) - before
    assert left
    assert store.gc(3600.0) == []
    assert there(store) == before | left
    fill(store, ["b"])
    now = there(store) - left
    assert {store.home.bucket.key(path) for path in store.gc(0.0)} >= left
    assert there(store) == now
    assert store.features("loudness").height == 2
    assert doctor(store) == []


@pytest.mark.slow
def test_a_writer_that_is_killed_after_its_commit_has_committed(store):
    fill(store, ["a"])
    crash(store.address, "Shared.confirm = lambda *_: os.kill(os.getpid(), 9)")
    assert store.tensors("patches").tracks == ["k"]
    fill(store, ["b"])
    assert store.home.known() == store.snapshot_id
    assert doctor(store) == []


def test_a_bucket_that_does_not_answer_is_an_error_that_names_it(store):
    fill(store, ["a"])
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        with environment(AWS_ENDPOINT_URL=f"http://127.0.0.1:{nobody.getsockname()[1]}"):
            for use in (lambda: Store(store.address), lambda: fill(store, ["b"]), lambda: store.gc(0.0)):
                with pytest.raises(StoreError, match=f"^{store.home.bucket.url}: ") as error:
                    use()
                assert error.value.exit_code == 6
    assert store.features("loudness").height == 1
    assert fill(store, ["b"]) == 1
    assert doctor(store) == []


@pytest.mark.parametrize("user", ["reader", "tester"])
def test_who_may_not_write_into_the_bucket_is_told_so(servers, store, user):
    fill(store, ["a"])
    wrong = {"reader": servers.environment("reader"), "tester": {"AWS_SECRET_ACCESS_KEY": "wrong"}}[user]
    with environment(**wrong), pytest.raises(StoreError, match="access is denied") as error:
        fill(store, ["b"])
    assert error.value.exit_code == 6
    assert store.features("loudness")["track"].to_list() == ["a"]
    with environment(**servers.environment("reader")), Store(store.address, read_only=True) as allowed:
        assert allowed.features("loudness").height == 1
    assert fill(store, ["b"]) == 1


def test_who_may_not_open_the_database_is_told_so(servers, address):
    guarded = servers.new_store("guarded")
    nowhere = address.replace(database(address), "nowhere")
    for wrong, text in ((guarded, "password"), (nowhere, "does not exist")):
        with environment(PGPASSWORD="wrong"), pytest.raises(StoreError, match=text) as error:
            Store(wrong, create=True)
        assert error.value.exit_code == 6
        assert "@127.0.0.1" in str(error.value)
    with environment(PGPASSWORD=password), Store(guarded, create=True) as store:
        assert fill(store, ["a"]) == 1


@pytest.mark.slow
def test_a_database_that_stops_in_mid_ingest_costs_time_and_no_values(servers, tmp_path, make_wav, test_plugins):
    for number in range(8):
        make_wav(tmp_path / "music" / f"{number}.wav", 0.3 * rng.uniform(-1, 1, 22050))
    folder = tmp_path / "postgres"
    with started_postgres(folder) as port:
        address = type(servers)(port, servers.s3).new_store()
        Store(address, create=True).close()
        command = [sys.executable, "-m", "mirstore.cli", "--store", address, "-q", "ingest", str(tmp_path / "music")]
        process = subprocess.Popen([*command, "--features", "slow", "-j", "2"], stderr=subprocess.PIPE)
        for _ in range(2):
            assert b"slept" in process.stderr.readline()
    began = time.monotonic()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 6, said
    assert time.monotonic() - began < 60
    assert b"Traceback" not in said
    assert said.splitlines()[-1].startswith(b"hint: ")
    with running_postgres(folder, port):
        assert subprocess.run([*command, "--features", "slow", "-j", "2"], capture_output=True).returncode == 0
        with Store(address) as store:
            assert store.features("slow").height == 8
            assert doctor(store) == []


def test_a_database_that_was_restored_from_an_old_copy_is_refused(store):
    fill(store, ["a"])
    store.close()
    old = f"{database(store.address)}_old"
    copy_of(store.address, old)
    with Store(store.address) as newer:
        fill(newer, ["b"])
    restored = store.address.replace(f"/{database(store.address)}?", f"/{old}?")
    uses = [
        lambda: Store(restored),
        lambda: Store(restored, read_only=True),
        lambda: Store(restored, snapshot=2),
        lambda: repair(restored),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="the catalogue is older than the data: it ends with snapshot 2") as error:
            use()
        assert error.value.hint == "restore a newer backup of the database"
    (problem,) = examine(restored)
    assert problem["remedy"] == "restore a newer backup of the database"
    with Store(store.address) as store:
        assert store.features("loudness").height == 2
        assert doctor(store) == []


def test_copies_of_what_was_taken_back_with_the_whole_store_stop_no_gc(store, servers):
    name, store_of = database(store.address), store.address
    fill(store, ["a"])
    store.close()
    servers.copy_store(name, f"{name}_kept")
    with Store(store_of) as later:
        for number in range(4):
            fill(later, [f"later {number}"])
    servers.copy_store(f"{name}_kept", name)
    with Store(store_of) as restored:
        removal.remove(restored, removal.features(restored, ["loudness"]), "rm")
        restored.purge()
        restored.gc(0)
        assert doctor(restored) == []


def test_a_database_that_is_restored_while_it_is_open_is_refused_by_gc(store):
    fill(store, ["a"])
    store.home._say(99)
    for use in (lambda: store.gc(0.0), lambda: fill(store, ["b"]), store.purge):
        with pytest.raises(StoreError, match="older than the data"):
            use()


def test_a_catalogue_cannot_be_made_from_the_data(store):
    with pytest.raises(UsageError, match="its catalogue is in a database") as error:
        rebuild(store.address)
    assert error.value.hint == "restore the newest backup of the database"


# Damage


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
@pytest.mark.parametrize("name", ["rms-segments", "halves"])
def test_what_is_damaged_in_the_bucket_is_found_forgotten_and_computed_again(
    store, tmp_path, make_wav, test_plugins, damage, name
):
    for number in (1, 2):
        make_wav(tmp_path / "music" / f"{number}.wav", 0.1 * number * rng.uniform(-1, 1, 8000), 8000)
    registry = Registry.load()
    registry.features["halves"] = FeatureEntry(extractor="halves@1")
    wanted = resolve([name], registry, Plugins.installed())
    assert ingest(store, find([tmp_path / "music"]), wanted, pool=here).features[name]["ok"] == 2
    table = f"feat.{wanted[name].table}"
    victim = store.files(table)[0] if name == "rms-segments" else next((store.path / "tensors").rglob("*.safetensors"))
    content = victim.read_bytes()
    if damage == "missing":
        lose(store, victim)
    else:
        at = len(content) // 3 if name == "rms-segments" else len(content) - 3
        flipped = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
        overwrite(store, victim, content[:-20] if damage == "cut" else flipped)
    victim.unlink(missing_ok=True)  # with a copy of it here, nothing would be forgotten
    for deep in (False, True):
        found = examine(store.address, deep=deep)
        assert [problem["file"] for problem in found] == [store.home.shown(victim)] * (deep or damage != "flipped")
    assert repair(store.address, deep=True).files == [victim]
    with Store(store.address) as store:
        assert doctor(store) == []
        assert ingest(store, find([tmp_path / "music"]), wanted, pool=here).features[name]["ok"] == 2
        assert doctor(store) == []
        assert store.scan(table).collect()["track"].n_unique() == 2


@pytest.mark.parametrize("table", ["core.extractions", "core.packs", "core.tracks", "core.feature_sets"])
def test_what_is_lost_of_the_tables_in_the_bucket_comes_back_and_nothing_is_there_twice(
    store, tmp_path, make_wav, test_plugins, table
):
    for number in (1, 2):
        make_wav(tmp_path / "music" / f"{number}.wav", 0.1 * number * rng.uniform(-1, 1, 8000), 8000)
    registry = Registry.load()
    registry.features["halves"] = FeatureEntry(extractor="halves@1")
    wanted = resolve(["halves"], registry, Plugins.installed())
    ingest(store, find([tmp_path / "music"]), wanted, pool=here)
    packs, tracks = sorted(store.scan("core.packs").collect()["pack"]), store.sql("SELECT track, duration FROM tracks")
    for victim in store.files(table):
        lose(store, victim)
        victim.unlink(missing_ok=True)
    repair(store.address)
    with Store(store.address) as store:
        assert doctor(store) == []
        ingest(store, find([tmp_path / "music"]), wanted, pool=here)
        assert doctor(store, deep=True) == []
        assert store.scan(f"feat.{wanted['halves'].table}").collect()["track"].n_unique() == 2
        assert store.sql("SELECT count(*) AS n FROM halves")["n"][0] == 2
        listed = store.scan("core.packs").select("pack", "bytes").collect()
        assert sorted(listed["pack"]) == packs
        assert listed["bytes"].null_count() == 0
        assert store.sql("SELECT track, duration FROM tracks").sort("track").equals(tracks.sort("track"))
        assert store.about("halves")["columns"]


def test_doctor_sees_what_became_of_the_bucket_since_it_looked_last(store):
    fill(store, ["a"])
    assert doctor(store) == []
    with Store(store.address) as other:
        fill(other, ["b"])
    assert doctor(store) == []  # what another has committed is not missing
    victim = store.files(f"feat.{loudness.table}")[0]
    lose(store, victim)
    assert [problem["file"] for problem in doctor(store)] == [store.home.shown(victim)]


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_repair_puts_whole_copies_back_and_forgets_nothing(store, damage):
    fill(store, ["a"])
    tensors(store)
    table = store.files(f"feat.{loudness.table}")[0]
    (pack,) = (store.path / "tensors").rglob("*.safetensors")
    for victim in (table, pack):
        content = victim.read_bytes()
        changed = content[:-20] if damage == "cut" else content[:-9] + bytes([content[-9] ^ 0xFF]) + content[-8:]
        lose(store, victim) if damage == "missing" else overwrite(store, victim, changed)
        if not victim.exists():
            victim.write_bytes(content)
    assert len(doctor(store, deep=True)) == 2  # which leaves the copies alone
    done = repair(store.address, deep=True)
    assert (done.files, done.rows, done.tracks) == ([], {}, {})
    assert set(done.put_back) == {table, pack}
    assert doctor(store, deep=True) == []
    assert store.features("loudness").height == 1


@pytest.mark.parametrize(("whose", "column", "low"), [("file", "track", "b"), ("table", "rms_db", "7")])
def test_a_range_that_hides_rows_is_found(store, whose, column, low):
    fill(store, ["a", "b"])
    assert doctor(store, deep=True) == []
    execute(
        store.address,
        f"UPDATE ducklake_{whose}_column_stats s SET min_value = '{low}' FROM ducklake_column c JOIN ducklake_table t "
        "USING (table_id) WHERE c.table_id = s.table_id AND c.column_id = s.column_id "
        f"AND table_name LIKE 'loudness%' AND column_name = '{column}'",
    )
    assert doctor(store, deep=False) == []  # which reads no file
    (problem,) = doctor(store, deep=True)
    hidden = store.home.shown(store.files(f"feat.{loudness.table}")[0])
    assert problem["problem"] == f"is damaged: its range of {column!r} hides rows of {hidden}"
    assert problem["remedy"] == "restore the newest backup of the database"


def test_gc_forgets_merged_files_together_and_fetches_none_of_them(store, tmp_path, monkeypatch):
    for name in "abcd":
        with store.write(name) as tx:
            tx.append("core.pins", [{"name": name}])
    store.compact()
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "another machine"))
    with Store(store.address) as other:
        with other.home.catalogue() as catalogue:
            merged = scheduled(catalogue, other.path)
        assert sum("core" in path.parts for path in merged) > 1
        fetched, asked = [], []
        real, execute_ = Bucket._fetch, Postgres.execute
        monkeypatch.setattr(Bucket, "_fetch", lambda it, path, **sums: fetched.append(path) or real(it, path, **sums))
        monkeypatch.setattr(
            Postgres, "execute", lambda it, query, *values: asked.append(query) or execute_(it, query, *values)
        )
        assert set(merged) <= set(other.gc(0.0))
        assert set(merged).isdisjoint(fetched)
        assert sum(query.startswith("DELETE") for query in asked) == 1
    assert execute(store.address, "SELECT count(*) FROM ducklake_files_scheduled_for_deletion") == [(0,)]
    assert doctor(store) == []


# Whose the bucket is


@pytest.mark.parametrize("elsewhere", ["-elsewhere", "-of-another"])
def test_a_bucket_that_is_not_the_store_s_is_no_empty_one(store, elsewhere):
    fill(store, ["a"])
    short, right = store.address.partition("?")[0], store.home.bucket.url
    if elsewhere == "-of-another":
        Bucket(right + elsewhere).write("head", b"1 another")
    execute(short, f"UPDATE ducklake_metadata SET value = '{right}{elsewhere}/data/' WHERE key = 'data_path'")
    message = "has nothing of this store" if elsewhere == "-elsewhere" else "has another store's data"
    for use in (Store, repair):
        with pytest.raises(StoreError, match=message):
            use(short)
    (problem,) = examine(short)
    assert message in problem["problem"]
    execute(short, f"UPDATE ducklake_metadata SET value = '{right}/data/' WHERE key = 'data_path'")
    assert doctor(store) == []
    assert store.features("loudness").height == 1


def test_a_bucket_that_is_not_there_is_said(address):
    with pytest.raises(StoreError, match="is not there"):
        Store(f"{address.partition('?')[0]}?data=s3://nobodys/folder", create=True)


def test_a_folder_that_has_a_store_takes_no_other(store, servers):
    fill(store, ["a"])
    other = servers.new_store().partition("?")[0]
    with pytest.raises(StoreError, match="has another store's data"):
        Store(f"{other}?data={store.home.bucket.url}", create=True)
    assert doctor(store) == []
    assert store.home.known() == store.newest


# Steps after a commit


@pytest.mark.parametrize("kind", ["folder", "shared"])
def test_a_batch_whose_commit_came_to_pass_is_not_committed_again(
    servers, tmp_path, make_wav, test_plugins, kind, monkeypatch
):
    for number in range(3):
        make_wav(tmp_path / "music" / f"{number}.wav", 0.1 * (number + 1) * rng.uniform(-1, 1, 8000), 8000)
    wanted = resolve(["rms-segments"], Registry.load(), Plugins.installed())
    with Store(servers.new_store() if kind == "shared" else tmp_path / "store", create=True) as store:
        ingest(store, find([tmp_path / "music" / "0.wav"]), {}, pool=here)  # what comes before the values is there
        real, failed = type(store.home).confirm, []

        def once(home, snapshot, time):
            if store.sql('SELECT * FROM "rms-segments"').height and not failed:
                failed.append(snapshot)
                raise StoreError("the bucket does not answer")
            real(home, snapshot, time)

        monkeypatch.setattr(type(store.home), "confirm", once)
        with pytest.raises(StoreError, match="does not answer"):
            ingest(store, find([tmp_path / "music"]), wanted, pool=here)
        assert failed
        again = ingest(store, find([tmp_path / "music"]), wanted, pool=here)
        counts = again.features["rms-segments"]
        assert (counts["ok"], counts["failed"], counts["fresh"]) == (0, 0, 3)
        for table in ("core.tracks", f"feat.{wanted['rms-segments'].table}"):
            rows = store.recorded(table).collect()
            assert rows.height == rows.unique().height, table
        assert store.recorded("core.tracks").collect().height == 3


# What workers leave for a commit


def test_what_workers_hand_on_leaves_the_bucket_with_its_batch(store, tmp_path, make_wav, test_plugins):
    for number in (1, 2):
        make_wav(tmp_path / "music" / f"{number}.wav", 0.1 * number * rng.uniform(-1, 1, 8000), 8000)
    registry = Registry.load()
    registry.features["halves"] = FeatureEntry(extractor="halves@1")
    wanted = resolve(["halves"], registry, Plugins.installed())
    found = preview(store, find([tmp_path / "music"]), wanted)
    committer, bucket = Committer(store, found), store.home.bucket
    committer.register()
    jobs = list(found.plan.jobs(store, Path("jobs", found.summary.ingest), bucket))
    for job in jobs:
        bucket.write(f"{job.folder}/{'0' * 64}.safetensors", b"between two stages")
    (done, other) = run_jobs(Work({feature.id: feature for feature in wanted.values()}, Limits()), jobs)
    assert len(list(bucket.list("jobs"))) == 4
    for each, left in ((done, 2), (other, 0)):
        committer.add(each)
        committer.flush()
        assert len(list(bucket.list("jobs"))) == left
    assert doctor(store, deep=True) == []
    assert store.features("halves").height == 2


# This machine's copies


def test_a_copy_that_is_damaged_costs_nothing(store):
    fill(store, ["a", "b"])
    victim = store.files("core.labels")[0] if store.files("core.labels") else store.files(f"feat.{loudness.table}")[0]
    content = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(content[:50] + bytes([content[50] ^ 0xFF]) + content[51:])
    assert examine(store.address) == []
    assert repair(store.address).files == []
    assert victim.read_bytes() == content
    assert store.features("loudness").height == 2


def test_tensors_that_were_altered_on_the_way_are_not_read(store, tmp_path, monkeypatch):
    """A copy that has them is left alone, and not taken for theirs."""
    tensors(store)
    (pack,) = (store.path / "tensors").rglob("*.safetensors")
    content = pack.read_bytes()
    overwrite(store, pack, content[:-3] + bytes([content[-3] ^ 0xFF]) + content[-2:])
    (problem,) = doctor(store, deep=True)
    assert "was altered" in problem["problem"]
    assert pack.read_bytes() == content
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "another machine"))
    with Store(store.address) as other, pytest.raises(TrackError, match="no such file"):
        other.tensors("patches")[0]
    overwrite(store, pack, content)
    with Store(store.address) as other:
        np.testing.assert_array_equal(other.tensors("patches")[0], np.full((4, 9), ord("a"), np.float16))


def test_a_disk_that_takes_no_copies_is_said_and_not_the_bucket(store, tmp_path, monkeypatch):
    fill(store, ["a"])

    def full(*given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "file").touch()
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"file/stores.*: this machine's copies of the store cannot") as no_folder:
        Store(store.address)
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "full"))
    with monkeypatch.context() as disk:
        disk.setattr(buckets.os, "fsync", full)
        with pytest.raises(StoreError, match=r"full: this machine's copies .*: no space left on device") as no_space:
            Store(store.address)
    for error in (no_folder, no_space):
        assert "set MIRSTORE_CACHE to another" in error.value.hint
        assert store.home.bucket.url not in str(error.value)
    with Store(store.address) as other:
        assert other.features("loudness").height == 1


def test_a_commit_that_the_disk_for_copies_does_not_take_is_none(store):
    fill(store, ["a"])
    folder = store.path / "data" / "feat"
    folder.rename(folder.with_name("away"))
    folder.touch()  # what could be read there, can be no more
    with pytest.raises(StoreError, match="this machine's copies of the store cannot be kept there") as error:
        tensors(store)
    assert "set MIRSTORE_CACHE to another" in error.value.hint
    folder.unlink()
    folder.with_name("away").rename(folder)
    assert store.features("loudness")["track"].to_list() == ["a"]
    tensors(store)
    assert store.tensors("patches").tracks == ["a"]
    assert doctor(store) == []


def test_a_copy_that_was_altered_on_this_machine_is_named_and_fetched_anew(store):
    fill(store, ["a"])
    (path,) = store.files(f"feat.{loudness.table}")
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"\xff" * len(whole))
    with pytest.raises(StoreError, match="was altered") as error, Store(store.address, read_only=True) as other:
        other.features("loudness")
    assert error.value.message.startswith(str(path))  # and not the bucket's, which is whole
    assert "doctor --deep" in str(error.value.hint)
    assert doctor(store, deep=True) == []
    assert path.read_bytes() == whole


def test_a_forked_process_is_told_that_it_cannot_read_the_bucket(store):
    fill(store, ["a"])
    child = os.fork()
    if not child:
        try:
            store.home.bucket.read("head")
        except StoreError as error:
            os._exit(7 if "forked process" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_data_may_lie_in_a_folder_that_all_machines_see(servers, tmp_path):
    address = f"{servers.new_store().partition('?')[0]}?data=file://{tmp_path}/lake/music"
    with Store(address, create=True) as store:
        fill(store, ["a", "b"])
        tensors(store)
        store.compact()
        assert doctor(store, deep=True) == []
        left = store.home.path / "data" / "core" / "tracks" / "ducklake-01a21b09-0000-7dd1-9a1a-9a254fd2eec5.parquet"
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(b"of a commit that was killed here")
        assert left in store.gc(0.0)
        assert store.features("loudness").height == 2
        assert doctor(store, deep=True) == []
    (tmp_path / "lake").rename(tmp_path / "unmounted")
    buckets._found.cache_clear()
    with pytest.raises(StoreError, match="is not there"):
        Store(address)
    assert not (tmp_path / "lake").exists()


# Secrets


def test_no_error_and_nothing_that_is_kept_has_a_secret(servers, tmp_path):
    secrets = password, servers.environment("guarded")["AWS_SECRET_ACCESS_KEY"]
    address = servers.new_store("guarded")
    said: list[str] = []

    def use(what, **names: str) -> None:
        with environment(**names):
            try:
                what()
            except (StoreError, UsageError) as error:
                said.extend([error.message, str(error.hint), *traceback.format_exception(error)])
            else:
                assert not names

    with environment(PGPASSWORD=password, **servers.environment("guarded")):
        with Store(address, create=True, command="mirstore ingest music") as store:
            fill(store, ["a"])
            tensors(store)
            removal.remove(store, removal.features(store, ["patches"]), "rm")
            said += [repr(store.home), str(store.home), repr(store.home.bucket), store.address, repr(vars(store.home))]
            said.append(str(store.sql("FROM snapshots").to_dicts()))
            dead = "http://127.0.0.1:9"
            use(lambda: Store(address), AWS_ENDPOINT_URL=dead)
            use(lambda: fill(store, ["b"]), AWS_ENDPOINT_URL=dead)
            use(lambda: fill(store, ["b"]), AWS_ACCESS_KEY_ID="reader")
            use(lambda: Store(address.replace("@127.0.0.1", "@127.0.0.9")), PGCONNECT_TIMEOUT="2")
            use(lambda: Store(f"{address}&sslmode=verify-full"), PGSSLROOTCERT=str(tmp_path))
            use(lambda: store.sql("SELECT getenv('PGPASSWORD')"), X="1")
            execute(address, "ALTER TABLE ducklake_snapshot RENAME TO gone")
            use(lambda: Store(address), X="1")
            use(lambda: fill(store, ["b"]), X="1")
            execute(address, "ALTER TABLE gone RENAME TO ducklake_snapshot")
        dump = [execute(address, f"SELECT t::text FROM {name} t") for (name,) in execute(address, _tables)]
        kept = [path.read_bytes() for path in store.path.rglob("*") if path.is_file()]
    assert len(said) > 20
    assert dump
    assert kept
    for secret in secrets:
        assert secret not in "\n".join(said)
        assert secret not in str(dump)
        assert not any(secret.encode() in data for data in kept)


@pytest.mark.slow
def test_no_command_prints_or_logs_a_secret(servers, tmp_path, make_wav, test_plugins):
    make_wav(tmp_path / "music" / "one.wav", 0.3 * rng.uniform(-1, 1, 22050))
    address, log = servers.new_store("guarded"), tmp_path / "log.jsonl"
    broken = [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        {"AWS_ACCESS_KEY_ID": "reader"},
        {"PGUSER": "x", "PGPORT": "9"},
    ]
    again = ["ingest", tmp_path / "music", "--features", "raises", "-v", "--log", log]
    commands = [
        again,
        ["log"],
        ["sql", "FROM ingests"],
        ["status"],
        ["doctor", "--deep"],
        ["gc"],
        ["doctor", "--rebuild"],
    ]
    said, codes = "", []

    def run(arguments, where: str = address) -> None:
        nonlocal said
        result = CliRunner().invoke(app, ["--store", where, *map(str, arguments)])
        told = traceback.format_exception(result.exception) if result.exception else []
        said = "\n".join([said, result.output, result.stderr, *told])
        codes.append(result.exit_code)

    with environment(PGPASSWORD=password, **servers.environment("guarded")):
        for arguments in commands:
            run(arguments)
        assert codes == [0, 0, 0, 0, 0, 0, 2], said
        for names in broken:
            with environment(**names):
                run([*again, "--retry-failed"])
                run(["doctor"])
        run(["status"], address.replace(f":{servers.postgres}/", ":9/"))
    assert codes.count(6) >= 3, codes
    for secret in (password, servers.environment("guarded")["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in said
        assert secret not in log.read_text()


_tables = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'ducklake_%'"


def test_a_purge_leaves_nothing_in_the_pages_of_the_database(servers, address):
    """Those who can read the server's files find no old rows; its write-ahead log is its administrator's."""
    track, command = "f" * 64, "mirstore ingest 'Ein Geheimnis.wav'"
    with Store(address, create=True, command=command) as store, store.write("ingest") as tx:
        tx.append("core.tracks", [{"track": track, **stamp}])
        tx.append("core.locations", [{"track": track, "path": "/m/Ein Geheimnis.wav", **stamp}])
        tx.append("core.items", [{"dataset": "d", "track": track, "title": "Ein Geheimnis", **stamp}])
    ((folder, number),) = execute(
        address, "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"
    )

    def pages() -> bytes:
        execute(address, "CHECKPOINT")
        return b"".join(path.read_bytes() for path in Path(folder, "base", str(number)).iterdir())

    if not os.access(folder, os.R_OK):
        pytest.skip("the server's files are another user's")
    with Store(address) as store:
        assert pages().count(b"Ein Geheimnis") > 2
        removal.remove(store, removal.tracks(store, [track]), "rm")
        store.purge()
        assert b"Ein Geheimnis" not in pages()
