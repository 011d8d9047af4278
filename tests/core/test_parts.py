"""The parts of published splits, under all names that people give them."""

from __future__ import annotations

import pytest

from mirstore.core.errors import UsageError
from mirstore.core.experiments.splits import part_name, part_words, published_folds


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("train Training TRN", "train"),
        ("val valid Validation dev Devel development", "validation"),
        ("test TESTING eval Evaluation", "test"),
        ("extra 0 untrained", None),
    ],
)
def test_words_for_parts(words, part):
    assert {part_name(word) for word in words.split()} == {part}
    assert part is None or part in part_words()


def test_a_split_without_known_parts_names_its_words():
    with pytest.raises(
        UsageError, match=r"0 training and 0 test tracks \(the split has 1 'B', 2 'A'\)|2 'A', 1 'B'"
    ) as error:
        published_folds([(0, 0, "A"), (1, 0, "A"), (2, 0, "B")], 1)
    assert "train, validation and test" in error.value.hint
