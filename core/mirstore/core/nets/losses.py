"""How far a network is from labels, or from label distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def cross_entropy(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of exclusive classes.

    Parameters
    ----------
    logits : torch.Tensor [shape=(n, k)]
    wanted : torch.Tensor [shape=(n, k)]
        In each row a distribution: one 1 where there is one class.
    """
    from torch.nn import functional

    return functional.cross_entropy(logits, wanted)


def absolute_error(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference of distributions, as Buisson et al. (2022) learn them.

    Parameters
    ----------
    logits : torch.Tensor [shape=(n, k)]
    wanted : torch.Tensor [shape=(n, k)]
        In each row a distribution.
    """
    from torch.nn import functional

    return functional.l1_loss(logits.softmax(1), wanted)


def of_tags(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of tags, of which an example has any number.

    Parameters
    ----------
    logits : torch.Tensor [shape=(n, k)]
    wanted : torch.Tensor [shape=(n, k)]
        0/1.
    """
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(logits, wanted)
