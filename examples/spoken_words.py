"""Words that a voice speaks over music, and how many of them are heard: ``python examples/spoken_words.py FOLDER``.

Has espeak-ng read known texts, mixes each with a piece of the music in FOLDER at several levels, has mirstore
transcribe the mixtures, and prints the word error rate. ``--audio`` names a feature set with a sound that is heard
instead of the file, such as ``vocals-for-speech``. Needs espeak-ng, jiwer, and mirstore weights fetch whisper-tiny.en.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jiwer
import numpy as np
import soundfile

from mirstore.core import Track

texts = {
    "cat": "The cat sat on the mat and looked at the moon. She heard the wind in the trees and the water in the river.",
    "road": "We walked along the old road until the sun went down. Nobody said a word, but everybody knew the way.",
    "rain": "Tomorrow the rain will stop and we will open all the windows. Bring some bread and a bottle of red wine.",
    "train": "The last train leaves the station at a quarter past seven. Please remember to take your bags with you.",
}
plain = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)
sr = 22_050


def spoken(text: str, file: Path) -> np.ndarray:
    """Return a text as a voice reads it."""
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", str(file), text], check=True)
    return Track("0" * 64, file).audio(sr)


def mixed(voice: np.ndarray, music: np.ndarray, level: float) -> np.ndarray:
    """Return a voice over music that is so many dB weaker, by their energies, without clipping."""
    music = np.resize(music, len(voice))
    gain = np.sqrt(np.mean(voice**2) / np.mean(music**2)) * 10 ** (-level / 20)
    both = voice + gain * music
    return 0.9 * both / np.abs(both).max()


def write(folder: Path, music: list[Path], levels: list[float]) -> dict[str, tuple[float, str]]:
    """Write the mixtures into a folder; return level and text of each by its name."""
    said = {}
    for at, (name, text) in enumerate(texts.items()):
        voice = spoken(text, folder.parent / f"{name}.wav")
        behind = Track("0" * 64, music[at % len(music)]).audio(sr)
        for level in levels:
            stem = f"{name}_{level:+g}dB" if np.isfinite(level) else f"{name}_alone"
            samples = mixed(voice, behind, level) if np.isfinite(level) else 0.9 * voice / np.abs(voice).max()
            soundfile.write(folder / f"{stem}.wav", samples, sr)
            said[stem] = level, text
    return said


def mirstore(*arguments: str, folder: Path) -> str:
    """Run a command in a project, and return what it prints."""
    command = [sys.executable, "-m", "mirstore.cli", *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--audio", help="features with a sound that is heard instead of the file")
    parser.add_argument("--levels", type=float, nargs="*", default=[np.inf, 10.0, 0.0, -5.0], help="of the voice [dB]")
    asked = parser.parse_args()
    music = sorted(path for path in asked.folder.iterdir() if path.suffix in (".ogg", ".wav", ".flac", ".mp3"))
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        (project / "mixtures").mkdir()
        said = write(project / "mixtures", music, asked.levels)
        audio = f"inputs = {{ audio = {json.dumps(asked.audio)} }}\n" if asked.audio else ""
        (project / "registry.toml").write_text(
            f'schema = 1\n[features.heard]\nextractor = "transcript-segments"\n{audio}'
            '[features.words]\nextractor = "transcript"\nparams = { language = "en" }\n'
            'inputs = { transcript-segments = "heard" }\n'
        )
        begun = time.monotonic()
        mirstore("ingest", "mixtures", "-j", "1", folder=project)
        took = time.monotonic() - begun
        text = "string_agg(word, ' ' ORDER BY start) AS text"
        query = f"SELECT path, {text} FROM words JOIN tracks USING (track) GROUP BY path"
        heard = {
            Path(row["path"]).stem: row["text"] for row in json.loads(mirstore("sql", query, "--json", folder=project))
        }
        length = sum(soundfile.info(file).duration for file in (project / "mixtures").iterdir())
    for level in asked.levels:
        names = [name for name, (of, _) in said.items() if of == level]
        rate = jiwer.wer(
            [said[name][1] for name in names],
            [heard.get(name) or "" for name in names],
            reference_transform=plain,
            hypothesis_transform=plain,
        )
        print(f"{level:+6g} dB  word error rate {rate:.3f}")
    print(f"{took / length:.3f} s per second of audio, with starting up")
