"""Which files of a folder are audio by their names, and what is said of the rest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

# Each was decoded for a test, or is another name of one that was. A file that is named itself is tried whatever its
# suffix. Left out is .ts: in most folders it is program text, not an MPEG transport stream.
audio_suffixes = frozenset(
    ".3g2 .3ga .3gp .aac .ac3 .adts .aif .aifc .aiff .amr .ape .asf .au .avi .bwf .caf .dff .dsf .dts .eac3 .ec3 .f4a "
    ".flac .flv .gsm .latm .m2a .m4a .m4b .m4r .m4v .mka .mkv .mlp .mov .mp1 .mp2 .mp3 .mp4 .mpa .mpc .mpeg .mpg .mpga "
    ".oga .ogg .ogv .ogx .opus .ra .rf64 .rm .snd .sox .spx .tak .thd .tta .voc .w64 .wav .wave .weba .webm .wma .wmv "
    ".wv".split()
)
_no_audio = frozenset(
    ".accurip .asc .bak .bib .bmp .css .csv .cue .db .doc .docx .ffp .gif .gz .heic .htm .html .ico .ini .ipynb .jams "
    ".jpeg .jpg .js .json .jsonl .lab .lnk .log .lrc .m3u .m3u8 .md .md5 .nfo .npy .npz .ods .odt .parquet .pdf .pkl "
    ".pls .png .ps .py .rst .rtf .sfv .sha1 .sha256 .srt .svg .tex .tif .tiff .toml .tsv .txt .url .webp .xlsx .xml "
    ".xspf .yaml .yml .zip".split()
)


def audio_files(folder: str, passed_over: Counter[str]) -> Iterator[str]:
    """Yield the audio below a folder, in the order of names, and count the other files by suffix.

    Parameters
    ----------
    folder : str
        Absolute path. Links to folders are not followed, hidden folders not searched.
    passed_over : Counter
        Takes the suffixes; pictures, texts and playlists as ``"other"``. Hidden files are not counted.
    """
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            suffix = os.path.splitext(entry.name)[1].lower()
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from audio_files(entry.path, passed_over)
            elif entry.is_dir():
                passed_over["link to a folder"] += 1
            elif suffix in audio_suffixes and not entry.name.startswith("._"):
                yield entry.path
            elif not entry.name.startswith("."):
                passed_over["other" if suffix in _no_audio else suffix or "without suffix"] += 1


def passed_over_text(passed_over: Counter[str]) -> str:
    """Return ``passed over: 3 .mid, 13 other``, the most frequent first and pictures and the like last; "" for none.

    Parameters
    ----------
    passed_over : Counter of str
        Suffix, or ``other``, to how many files.

    Examples
    --------
    >>> passed_over_text(Counter({"other": 13, ".mid": 3}))
    'passed over: 3 .mid, 13 other'
    """
    counts = sorted(passed_over.items(), key=lambda item: (item[0] == "other", -item[1], item[0]))
    return f"passed over: {', '.join(f'{count} {what}' for what, count in counts)}" if counts else ""
