"""What an experiment does not use of a published split is counted."""

from __future__ import annotations

from mirstore.core.experiment_entries import TaskEntry
from mirstore.store import Store
from mirstore.store.experiments.tasks import load_task
from mirstore.store.ingest.published_tables import import_table


def test_tracks_of_unknown_parts_and_of_none_are_counted(tmp_path):
    parts = ["training", "TRAIN", "valid", "eval", "test", "extra", "extra", ""]
    lines = [f"t{i},{i}.5,{'ab'[i % 2]},{part}" for i, part in enumerate(parts)]
    (tmp_path / "t.csv").write_text("\n".join(["id,x,genre,split", *lines]))
    with Store(tmp_path / "store", create=True) as store:
        import_table(store, tmp_path / "t.csv", dataset="d")
        data = load_task(store, TaskEntry(dataset="d", labels="genre", metric="accuracy", split="split"), ["d"])
    (fold,) = data.folds(1)
    assert [part.tolist() for part in (fold.train, fold.validation, fold.test)] == [[0, 1], [2], [3, 4]]
    assert data.left_out == {"part 'extra'": 2, "in no part of the split": 1}
