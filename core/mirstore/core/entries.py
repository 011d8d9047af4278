"""The tables of registry.toml that name components, one class each: which keys they have and what these may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mirstore.core.environments import Environment, having
from mirstore.core.errors import PluginError


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FeatureEntry(_Entry):
    """``[features.N]``: an extractor with parameters and inputs.

    Attributes
    ----------
    extractor : str
        ``name`` or ``name@version``.
    params : dict
        Of the extractor; the others have their defaults.
    inputs : dict
        Name that the extractor declares to feature set. ``audio`` is what it hears instead of the file: a feature set
        with a sound, ``"vocals"``, or one of its several, ``"vocals.accompaniment"``.
    keep : bool
        False stores nothing: it is computed for what reads it, and again when that is.
    place : str or None
        Where it is computed; the extractor's own place by default.
    """

    extractor: str
    params: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    keep: bool = True
    place: str | None = None


class GroupingEntry(_Entry):
    """``[groupings.N]``: a grouper, or groups written by hand; give one of the two.

    Attributes
    ----------
    grouper : str
        ``name`` or ``name@version``.
    params : dict
        Of the grouper.
    groups : dict
        Group to its columns: ``featureset.column``, or ``column`` of any feature set; ``*`` stands for anything.
    """

    grouper: str | None = None
    params: dict[str, Any] = {}
    groups: dict[str, list[str]] | None = None


class SmoothingEntry(_Entry):
    """``[smoothings.N]``: a smoother and the features whose neighbours it uses.

    Attributes
    ----------
    smoother : str
        ``name`` or ``name@version``.
    features : list of str
        What it is given; by default the features that the model learns from.
    params : dict
        Of the smoother.
    """

    smoother: str
    features: list[str] = []
    params: dict[str, Any] = {}


class ModelEntry(_Entry):
    """``[models.N]``: a model with parameters.

    Attributes
    ----------
    model : str
        ``name`` or ``name@version``.
    params : dict
        Of the model.
    """

    model: str
    params: dict[str, Any] = {}


class WorkerEntry(_Entry):
    """``[workers.N]``: another interpreter, for features with ``place = "N"``.

    Attributes
    ----------
    isolated : str
        Distribution, or name, of an environment that ``mirstore plugins install --isolated`` made.
    python : str
        Or the path of an interpreter that somebody else looks after: it has the plugin, numpy, packaging, pluggy and
        polars.
    jobs : int
        Processes that run there at once; by default as many as ``-j`` says.
    memory : float [GB]
        What each may take.
    """

    isolated: str | None = None
    python: str | None = None
    jobs: int | None = Field(None, ge=1)
    memory: float | None = Field(None, gt=0)

    def environment(self, name: str) -> Environment:
        """Return the interpreter as a place of this name.

        Parameters
        ----------
        name : str

        Raises
        ------
        PluginError
            If it is not there, or its interpreter is gone.
        """
        memory = int(self.memory * 1e9) if self.memory else None
        if self.isolated is not None:
            found = having(self.isolated)
            if found.problem:
                raise PluginError(
                    f"workers.{name}: environment {found.name!r} cannot be used: {found.problem}", hint=found.remedy
                )
            return replace(found, name=name, jobs=self.jobs, memory=memory, installed_as=found.name)
        return Environment(name, Path(self.python or "").expanduser().absolute(), jobs=self.jobs, memory=memory)
