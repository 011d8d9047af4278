"""openai-whisper in an environment of its own, with the same weights: it writes what faster-whisper writes."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fetched import needs
from transcripts import believed, file_of, heard

from mirstore.core import Extractor
from mirstore.core.columns import check_rows
from mirstore.core.environments import environments
from mirstore.core.errors import PluginError
from mirstore.core.isolated import everywhere, kinds
from mirstore_transcript import TranscriptSegments
from mirstore_transcript.model import tiny_en

plugin = Path(__file__).parents[2] / "isolated" / "mirstore-openai-whisper"


@pytest.fixture
def conversion(monkeypatch):
    monkeypatch.syspath_prepend(str(plugin))
    spec = importlib.util.spec_from_file_location("convert", plugin / "mirstore_openai_whisper" / "convert.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network(state: int = 4, layers: int = 2) -> dict[str, np.ndarray]:
    """Variables of a small network as CTranslate2 names them, with numbers of their own."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        shapes[f"{name}/weight"], shapes[f"{name}/bias"] = (outputs, inputs), (outputs,)

    def norm(name: str) -> None:
        shapes[f"{name}/layer_norm/gamma"] = shapes[f"{name}/layer_norm/beta"] = (state,)

    shapes |= {"encoder/conv1/weight": (state, 8, 3), "encoder/conv2/weight": (state, state, 3)}
    shapes |= {"encoder/conv1/bias": (state,), "encoder/conv2/bias": (state,)}
    for side in ("encoder", "decoder"):
        norm(side)
        shapes[f"{side}/position_encodings/encodings"] = (10 if side == "encoder" else 6, state)
        for layer in (f"{side}/layer_{at}" for at in range(layers)):
            norm(f"{layer}/self_attention")
            linear(f"{layer}/self_attention/linear_0", 3 * state, state)
            linear(f"{layer}/self_attention/linear_1", state, state)
            norm(f"{layer}/ffn")
            linear(f"{layer}/ffn/linear_0", 2 * state, state)
            linear(f"{layer}/ffn/linear_1", state, 2 * state)
            if side == "decoder":
                norm(f"{layer}/attention")
                linear(f"{layer}/attention/linear_0", state, state)
                linear(f"{layer}/attention/linear_1", 2 * state, state)
                linear(f"{layer}/attention/linear_2", state, state)
    shapes["decoder/embeddings/weight"] = (11, state)
    made = {name: rng.standard_normal(shape).astype(np.float16) for name, shape in shapes.items()}
    for name, value in made.items():
        if name.endswith("self_attention/linear_0/bias"):
            value[state : 2 * state] = 0
        if name.endswith("/attention/linear_1/bias"):
            value[:state] = 0
    return made | {f"{side}/num_heads": np.array(2, np.int16) for side in ("encoder", "decoder")}


def test_stacked_matrices_are_taken_apart_under_the_names_of_the_authors(conversion):
    variables = network()
    found = conversion.openai(variables)
    assert found["dims"].tolist() == [8, 10, 4, 2, 2, 11, 6, 4, 2, 2]
    stacked = variables["decoder/layer_1/self_attention/linear_0/weight"]
    for at, name in enumerate(("query", "key", "value")):
        np.testing.assert_array_equal(found[f"decoder.blocks.1.attn.{name}.weight"], stacked[4 * at : 4 * at + 4])
    crossed = variables["decoder/layer_0/attention/linear_1/weight"]
    np.testing.assert_array_equal(found["decoder.blocks.0.cross_attn.value.weight"], crossed[4:])
    assert "decoder.blocks.0.attn.key.bias" not in found
    assert {"encoder.ln_post.weight", "decoder.ln.bias", "encoder.blocks.0.mlp.2.weight"} <= found.keys()
    kept = sum(value.size for name, value in variables.items() if value.ndim)
    keys = 6 * 4  # biases of the keys of six attentions, all zero
    assert sum(value.size for name, value in found.items() if name != "dims") == kept - keys


def test_keys_with_a_bias_have_no_place(conversion):
    variables = network()
    variables["encoder/layer_0/self_attention/linear_0/bias"][5] = 1
    with pytest.raises(ValueError, match=r"encoder\.blocks\.0: keys have a bias"):
        conversion.openai(variables)


def test_another_file_is_refused(conversion, tmp_path):
    (tmp_path / "config.json").write_text('{"alignment_heads": []}')
    (tmp_path / "model.bin").write_bytes(b"\x06\0\0\0\x10\0TransformerSpec\0" + bytes(8))
    with pytest.raises(ValueError, match="holds TransformerSpec in version 6, not WhisperSpec"):
        conversion.read([tmp_path / "config.json", tmp_path / "model.bin"])


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment that the documented command makes, and its weights."""
    from mirstore.core.installing import install

    pytest.importorskip("faster_whisper", reason="the extra 'transcript' is not installed")
    if os.environ.get("MIRSTORE_OFFLINE"):
        pytest.skip("no network: mirstore plugins install ./isolated/mirstore-openai-whisper --isolated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path_factory.mktemp("environments")))
        made = install(str(plugin))
        (needed,) = kinds(made)["transcript-segments-openai"].needs
        needs(needed)
        needs(tiny_en)
        yield made


@pytest.mark.slow
def test_both_programs_write_the_same(environment, shared):
    theirs = kinds(environment)["transcript-segments-openai"]()
    ours = TranscriptSegments(compute_type="float32")
    assert {name: column.dtype for name, column in theirs.columns().items()} == {
        name: column.dtype for name, column in ours.columns().items()
    }
    for clip in sorted((shared / "data/lyrics_speech/speech").glob("*.[of][gl]*")):
        one, other = (check_rows(each.extract(file_of(clip)), ours.columns()) for each in (ours, theirs))
        assert believed(one) == believed(other), clip.name
        times = [[row["start"] for row in heard(*rows)] for rows in (one, other)]
        assert np.max(np.abs(np.subtract(*times))) < 0.2, clip.name


@pytest.mark.slow
def test_an_interpreter_that_is_gone_is_told_with_the_line_that_makes_it_again(environment):
    shutil.rmtree(environment.python.parents[1])
    (found,) = environments()
    assert found.problem
    assert "mirstore plugins install" in found.remedy
    with pytest.raises(PluginError, match=r"'transcript-segments-openai' cannot be used.*is gone"):
        everywhere().get(Extractor, "transcript-segments-openai")
