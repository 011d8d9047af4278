"""What is checked: a component, or an extractor with the feature sets that it reads."""

from __future__ import annotations

import json
from typing import TypeAlias

from mirstore.core.components import Component, Extractor
from mirstore.core.errors import UsageError
from mirstore.core.features import FeatureSet

Subject: TypeAlias = Component | FeatureSet


def require(holds: object, message: str) -> None:
    """Fail the check with ``message`` unless ``holds``; an assert statement would vanish under ``python -O``.

    Parameters
    ----------
    holds : object
        Taken for true or false.
    message : str
        What the author of the component reads.
    """
    if not holds:
        raise AssertionError(message)


def component_of(subject: Subject) -> Component:
    """Return the component itself.

    Parameters
    ----------
    subject : Component or FeatureSet
    """
    return subject.extractor if isinstance(subject, FeatureSet) else subject


def feature_of(subject: Subject) -> FeatureSet:
    """Return the extractor with its inputs.

    Parameters
    ----------
    subject : Component or FeatureSet

    Raises
    ------
    UsageError
        If it reads features that are not given.
    """
    if isinstance(subject, FeatureSet):
        feature = subject
    elif isinstance(subject, Extractor):
        feature = FeatureSet(subject.name, subject)
    else:
        raise TypeError(f"{subject!r} is no extractor")
    optional = feature.extractor.optional if feature.inputs else frozenset()
    lacking = sorted(feature.extractor.reads().keys() - feature.inputs.keys() - optional)
    if lacking:
        hint = f"check FeatureSet({feature.name!r}, extractor, {json.dumps(dict.fromkeys(lacking, '...'))})"
        raise UsageError(f"extractor {feature.extractor.name!r} reads {', '.join(lacking)}, not given", hint=hint)
    return feature
