"""Folders give what is audio by its name, and say what they pass over."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.store.ingest.folders import audio_files, audio_suffixes, passed_over_text
from mirstore.store.ingest.sources import find


@pytest.fixture
def folder(tmp_path):
    for name in ("a.MP2", "b.m4b", "c.tta", "deep/d.mpc", "deep/er/e.spx", ".hidden/f.wav", "._g.wav", ".DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("x.jpg", "y.TXT", "deep/list.m3u", "z.mid", "deep/z.mid", "code.ts", "no_suffix"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "deep")
    return tmp_path


def test_every_audio_is_found_and_the_rest_counted_by_suffix(folder):
    passed = Counter()
    found = [source.path.removeprefix(f"{folder}/") for source in find([folder], passed_over=passed)]
    assert found == ["a.MP2", "b.m4b", "c.tta", "deep/d.mpc", "deep/er/e.spx"]
    assert passed == {".mid": 2, ".ts": 1, "link to a folder": 1, "without suffix": 1, "other": 3}
    assert passed_over_text(passed) == "passed over: 2 .mid, 1 .ts, 1 link to a folder, 1 without suffix, 3 other"
    assert passed_over_text(Counter()) == ""


def test_the_field_finds_what_it_missed():
    assert set(".mp2 .w64 .aifc .voc .mov .3gp .m4b .spx .mpc .tta .tak .dsf .dff .dts .amr".split()) <= audio_suffixes


def test_counting_does_not_follow_links_in_circles(folder):
    (folder / "deep" / "circle").symlink_to(folder)
    assert len(list(audio_files(str(folder), Counter()))) == 5


def test_the_command_says_what_it_passed_over(tmp_path, make_wav, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_wav(tmp_path / "music" / "a.wav", np.sin(np.arange(22050)))
    (tmp_path / "music" / "b.mid").touch()
    (tmp_path / "music" / "cover.jpg").touch()
    result = CliRunner().invoke(app, ["ingest", "music"])
    assert result.exit_code == 0, result.output
    assert "passed over: 1 .mid, 1 other\n" in result.stderr
    assert "passed over" not in CliRunner().invoke(app, ["-q", "ingest", "music"]).stderr
