"""Folders of checkpoints: one process each, and none that is empty or gone."""

from __future__ import annotations

import os
import shutil
import threading

from mirstore.store.experiments import checkpoints
from mirstore.store.experiments.checkpoints import held, remove


def test_a_folder_that_is_removed_while_another_waits_for_it_is_made_again(tmp_path, monkeypatch):
    folder, real, goes = tmp_path / "case", checkpoints.fcntl.flock, [True]

    def flock(lock, how):
        if goes and goes.pop():  # the other process is done between the opening of the lock and its taking
            shutil.rmtree(folder)
        real(lock, how)

    monkeypatch.setattr(checkpoints.fcntl, "flock", flock)
    with held(folder) as mine:
        assert mine == folder
        assert (folder / "lock").exists()


def test_two_at_one_folder_never_share_it_while_it_comes_and_goes(tmp_path):
    folder, inside, shared = tmp_path / "case", [], []

    def work():
        for _ in range(300):
            with held(folder) as mine:
                if mine == folder:
                    inside.append(1)
                    shared.append(len(inside) > 1 or not folder.is_dir())
                    inside.pop()
            remove(folder)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared
    assert not any(shared)


def test_gc_removes_empty_folders_of_checkpoints_and_leaves_those_in_use(store):
    left, used = (store.path / "checkpoints" / (64 * letter) for letter in "ab")
    (left / "run-0-fold-1").mkdir(parents=True)
    (left / "run-0-fold-0").mkdir()
    (left / "run-0-fold-0" / "net.npz").write_bytes(b"1")
    with held(used):
        (used / "net.npz").write_bytes(b"1")
        for path in used.iterdir():
            os.utime(path, (0, 0))
        assert store.gc(0.0) == [left / "run-0-fold-0" / "net.npz"]
        assert not left.exists()
        assert (used / "lock").exists()
    store.gc(0.0)
    assert not used.exists()
