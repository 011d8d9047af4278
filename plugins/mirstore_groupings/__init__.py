"""Semantic groupings of music features, after Patakis et al. (SAMAT), by feature set, and by chance."""

from __future__ import annotations

from mirstore.core import Grouper, hookimpl
from mirstore_groupings.samat import AllFeatures, DomainExpert, UserFriendly
from mirstore_groupings.shuffled import Random
from mirstore_groupings.sources import FeatureSets

__all__ = ["AllFeatures", "DomainExpert", "FeatureSets", "Random", "UserFriendly"]


@hookimpl
def register_groupers() -> list[type[Grouper]]:
    return [AllFeatures, DomainExpert, FeatureSets, Random, UserFriendly]
