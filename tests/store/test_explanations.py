"""Which tracks a report explains: chosen by the scores that stand beside them."""

from __future__ import annotations

import polars as pl

from mirstore.store.experiments.explanations import explain

credits = pl.DataFrame(schema={name: pl.String for name in ("track", "title", "artist", "path")})


def explained(scores, truth):
    """Explain tracks with these scores of labels a, b, …; `truth` names each one's right labels."""
    rows = [
        {"repeat": 0, "fold": 0, "track": track, "label": label, "truth": float(label in truth[track]), "score": score}
        for track, values in scores.items()
        for label, score in zip("abcdefghijklmnop", values, strict=False)
    ]
    parts = [{"track": track, "label": label, "group": "g", "value": 1.0} for track in scores for label in truth[track]]
    return explain(pl.DataFrame(parts), pl.DataFrame(rows), credits)


def test_tags_are_chosen_by_their_scores_and_not_by_ranks():
    """Of tag b scores are low everywhere: its highest is still behind."""
    scores = {f"a{i}": (0.9 - i / 100, 0.1) for i in range(4)} | {f"b{i}": (0.5, 0.05 + i / 100) for i in range(6)}
    found = explained(scores, {track: track[0] for track in scores})
    roles = {role: [item["track"] for item in found if item["role"] == role] for role in ("best", "worst", "ambiguous")}
    assert roles == {"best": ["a0", "a1", "a2"], "worst": ["b0", "b1", "b2"], "ambiguous": ["b5", "b4", "b3"]}


def test_of_several_right_labels_the_lowest_leads():
    found = explained({"x": (0.9, 0.2, 0.4), "y": (0.6, 0.1, 0.5)}, {"x": "ab", "y": "a"})
    assert [(item["track"], item["label"]) for item in found] == [("y", "a"), ("x", "b")]


def test_the_score_of_a_right_label_is_told_however_low():
    (item,) = explained({"x": [1 - i / 16 for i in range(16)]}, {"x": "p"})
    assert list(item["scores"]) == [*"abcdefghij", "p"]
