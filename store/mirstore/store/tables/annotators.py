"""Tags in the layout of MTG-Jamendo, of which several people were asked: ``mood_happy---not_happy,not_happy,happy``."""

from __future__ import annotations

import polars as pl

unsuitable = "unmatched"
"""What annotators say of a track that has no label of a taxonomy."""


def agreed(tags: pl.Series) -> tuple[pl.Series, int]:
    """Return cells with one label per taxonomy where all its annotators gave that, and how many were left out.

    Left out is what they disagree about, and that a track has no label of the taxonomy. One answer stands for itself:
    so all other tags of the dataset are written.

    Parameters
    ----------
    tags : pl.Series of String
        ``|`` between tags.

    Examples
    --------
    >>> cells, left_out = agreed(pl.Series(["genre_rosamerica---hip hop,hip hop,hip hop|mood_sad---sad,not_sad,sad"]))
    >>> cells.to_list(), left_out
    (['genre_rosamerica---hip hop'], 1)
    """
    found = {cell: list(map(_answer, cell.split("|"))) for cell in tags.drop_nulls().unique()}
    kept = {cell: "|".join(filter(None, answers)) for cell, answers in found.items()}
    lost = {cell: sum(answer is None for answer in answers) for cell, answers in found.items()}
    return tags.replace_strict(kept, return_dtype=pl.String), sum(lost[cell] for cell in tags.drop_nulls())


def _answer(tag: str) -> str | None:
    taxonomy, dashes, answers = tag.rpartition("---")
    if not dashes:
        return tag
    several = {answer.strip() for answer in answers.split(",")}
    return f"{taxonomy}---{several.pop()}" if len(several) == 1 and unsuitable not in several else None
