"""Semantic groupings of music features, after Patakis et al. (SAMAT), and a random one to compare them with."""

from __future__ import annotations

from mirstore.core import Grouper, hookimpl
from mirstore_groupings.samat import AllFeatures, DomainExpert, UserFriendly
from mirstore_groupings.shuffled import Random

__all__ = ["AllFeatures", "DomainExpert", "Random", "UserFriendly"]


@hookimpl
def register_groupers() -> list[type[Grouper]]:
    return [AllFeatures, DomainExpert, Random, UserFriendly]
