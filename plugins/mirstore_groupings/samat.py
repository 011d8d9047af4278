"""The three groupings of SAMAT.

Examples
--------
>>> grouping = DomainExpert()
>>> grouping.group(["essentia.spectral_centroid", "essentia.danceability", "essentia.bpm"])
{'spectral': ['essentia.spectral_centroid'], 'rhythmic': ['essentia.danceability']}
>>> grouping.lacking(["essentia.danceability"])["rhythmic"]
['pulse-clarity', 'rhythm-complexity', 'rhythm-stability']
>>> AllFeatures().group(["essentia.bpm", "mfcc-stats.mfcc_1_mean", "essentia.loudness"])
{'essentia': ['essentia.bpm', 'essentia.loudness'], 'mfcc-stats': ['mfcc-stats.mfcc_1_mean']}
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mirstore.core import Grouper
from mirstore_groupings import names
from mirstore_groupings.publications import patakis


class _Named(Grouper):
    """Groups that list their features by SAMAT's names."""

    cite = (patakis,)

    @abstractmethod
    def _asks_for(self) -> Mapping[str, Sequence[str]]:
        """Return group to SAMAT's names of its features."""

    def group(self, columns: Sequence[str]) -> dict[str, list[str]]:
        """Return the groups of which there is something; a feature set that has a name twice keeps both."""
        owner = {name: group for group, members in self._asks_for().items() for name in members}
        found: dict[str, list[str]] = {group: [] for group in self._asks_for()}
        for column in columns:
            if names.plain(column) in owner:
                found[owner[names.plain(column)]].append(column)
        return {group: members for group, members in found.items() if members}

    def lacking(self, columns: Sequence[str]) -> dict[str, list[str]]:
        """Return what the groups ask for and no column provides."""
        have = {names.plain(column) for column in columns}
        return {
            group: lacks
            for group, members in self._asks_for().items()
            if (lacks := [name for name in members if name not in have])
        }


@dataclass
class UserFriendly(_Named):
    """Brightness, danceability, tension, smoothness and lyrics: 58 + 9 features in words that listeners use."""

    name = "user-friendly"

    def _asks_for(self) -> Mapping[str, Sequence[str]]:
        return names.user_friendly


@dataclass
class DomainExpert(_Named):
    """Spectral, harmonic, rhythmic, sound-shaping and lyrical: 33 + 9 features in words that musicologists use."""

    name = "domain-expert"

    def _asks_for(self) -> Mapping[str, Sequence[str]]:
        return names.domain_expert


@dataclass
class AllFeatures(Grouper):
    """All features, grouped by what extracted them.

    Each feature set is a group of its own name. A feature set that stands alone and mixes SAMAT's methods, as the
    published tables do, is sorted by SAMAT's names into signal, dnn, harmonic and lyrics; columns that are none of
    these stay under the feature set's name. The ratio of tonics is in no group, as in the publication.
    """

    name = "all-features"
    version = 3
    cite = (patakis,)

    def group(self, columns: Sequence[str]) -> dict[str, list[str]]:
        sources = {_source(column) for column in columns}
        methods = {_method(column) for column in columns} - sources
        mixed = len(sources) == 1 and len(methods) > 1
        found: dict[str, list[str]] = {}
        for column in columns:
            if column.partition(".")[2] not in names.ungrouped:
                found.setdefault(_method(column) if mixed else _source(column), []).append(column)
        return found


def _source(column: str) -> str:
    return column.partition(".")[0]


def _method(column: str) -> str:
    name = names.plain(column)
    if name in names.midlevel:
        return "dnn"
    if names.harmonic.fullmatch(name):
        return "harmonic"
    if name in names.lyrical:
        return "lyrics"
    return "signal" if names.signal.fullmatch(name) else _source(column)
