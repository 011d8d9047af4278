"""A store for each test, of one kind or of both, and helpers that the tests of this folder share."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirstore.store import Store
from mirstore.store.lake import shared
from mirstore.store.lake.shared import Shared

sys.path.insert(0, str(Path(__file__).parent))

# Whole modules, unless a test is marked `folder_only`, and of others what meets the store in another way.
both = {"test_store", "test_removal", "test_time"}
hearts = {
    "test_annotations": {"a_changed_file_is_a_new_value_and_what_reads_it_follows"},
    "test_checkpoints": {"gc_removes_empty_folders_of_checkpoints_and_leaves_those_in_use"},
    "test_experiments": {"a_run_leaves_its_results_in_the_store", "runs_are_found_compared_and_removed"},
    "test_growth": {
        "two_writers_whose_plans_overlap_leave_rows_and_ledger_once",
        "a_merge_between_plan_and_commit_hides_nothing_of_what_others_did",
        "what_is_large_is_not_merged_again",
        "large_inputs_are_read_in_parts_that_fit",
    },
    "test_ingest": {
        "a_second_ingest_computes_nothing",
        "failures_stay_until_retried",
        "ctrl_c_keeps_what_is_done_and_the_next_ingest_goes_on",
    },
    "test_models": {
        "a_trained_model_is_found_by_its_name_and_by_its_hash",
        "what_a_killed_process_left_is_no_model_and_gc_removes_it",
        "a_kept_model_is_there_for_all_who_open_the_store",
        "a_model_that_is_damaged_where_all_read_it_is_found",
        "extracted_scores_are_the_models_bit_for_bit",
        "a_purge_erases_removed_models_and_leaves_others",
    },
    "test_purge": {
        "a_withdrawn_track_is_in_no_file_after_a_purge",
        "a_purged_store_goes_on",
        "removed_features_leave_only_their_definition_and_come_back_by_computing",
        "features_with_the_same_tensors_as_removed_ones_keep_theirs",
        "a_purge_that_is_killed_between_its_steps_can_be_finished",
        "gc_and_purge_refuse_a_catalogue_that_names_files_outside",
        "gc_deletes_only_names_of_its_own_making",
    },
    "test_query": {
        "questions_are_answered",
        "the_latest_labels_count",
        "an_older_snapshot_answers_as_it_did",
        "a_failure_says_how_to_retry",
        "a_listing_shows_everything_and_opens_no_features",
    },
    "test_stems": {
        "a_sound_comes_out_of_the_store_as_it_was_made",
        "what_reads_stored_values_gets_what_it_gets_in_one_ingest",
        "what_a_killed_ingest_left_of_its_jobs_is_removed_by_gc",
    },
    "test_vanished": {"files_that_are_gone_are_named_and_stay_until_pruned"},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run these tests over a folder and over a shared store."""
    module, name = metafunc.module.__name__.rpartition(".")[2], metafunc.definition.name.removeprefix("test_")
    if metafunc.definition.get_closest_marker("folder_only"):
        return
    if module in both or name in hearts.get(module, ()):
        kinds = ["folder", pytest.param("shared", marks=pytest.mark.slow)]
        metafunc.parametrize("store_kind", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def store_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """What kind of store lies where a test asks for a folder."""
    found = getattr(request, "param", "folder")
    if found == "folder":
        yield found
        return
    new_store = request.getfixturevalue("servers").new_store
    address = addresses(new_store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "Home", lambda folder: Shared(address(Path(folder))))
        yield found


def addresses(new_store: Callable[[], str]) -> Callable[[Path], str]:
    """Return a function that says which shared store stands for a folder: for its own copies, too."""
    known: dict[Path, str] = {}

    def address(folder: Path) -> str:
        folder = folder.absolute()
        if folder not in known:
            known[folder] = new_store()
            known[Shared(known[folder]).path] = known[folder]
        return known[folder]

    return address


@pytest.fixture(scope="module")
def made_once(store_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Put into a folder what a function of the module puts there, a store among it: made once, and then copied."""
    first = tmp_path_factory.mktemp("made")

    def have(folder: Path, make: Callable[[Path], None]) -> Path:
        if store_kind == "shared":  # a folder's copy is a store, and an address's is not
            make(folder)
            return folder / "store"
        if not any(first.iterdir()):
            make(first)
        shutil.copytree(first, folder, dirs_exist_ok=True)
        return folder / "store"

    return have


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that has nothing in it: a copy is there sooner than another one."""
    folder = tmp_path_factory.mktemp("empty") / "store"
    Store(folder, create=True).close()
    return folder


@pytest.fixture
def store(store_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of the test's own."""
    if store_kind == "folder":
        shutil.copytree(request.getfixturevalue("empty"), tmp_path / "store")
    with Store(tmp_path / "store", create=True) as store:
        yield store
