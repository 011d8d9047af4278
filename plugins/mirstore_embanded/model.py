"""EM-banded regression as a model of mirstore: of labels on 0 and 1, and of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from mirstore.core import Examples, Importance, Model, load_state, save_state
from mirstore_embanded.publications import fuglsang
from mirstore_embanded.statistics import Gram

if TYPE_CHECKING:
    from mirstore_embanded.regression import Fit, Settings

fitted = ("coef", "intercept", "lambdas", "dof", "nu", "scores", "iterations", "scale")
about = {"labels_", "groups_", "temperature_", "slope_", "offset_"}  # not all of them for every kind of task
parts = 5  # of the units, for scores of examples that were left out


@dataclass
class EMBanded(Model):
    """EM-banded regression of each label on 0 and 1, or of each target on its values.

    The defaults find the optimum, under weak priors that mean the same for rare and common labels. SAMAT's settings are
    registered as ``em-banded-samat``.

    Parameters
    ----------
    solver : str
        ``"auto"`` or ``"em"``, the published iteration.
    max_iter : int > 0
        Evaluations.
    eta, tau, phi, kappa : float > 0
        Inverse gamma priors.
    scale_y : bool
        Divide labels by their deviation.
    shared : bool
        One set of variances for all labels: rare tags, which say little themselves, borrow from common ones.
    rank : int > 0, optional
        Predict all labels from so many directions only; see `mirstore_embanded.regression.truncated`.
    output : str
        How scores become numbers in [0, 1]. ``"calibrated"``: on scores of left-out examples, by Platt's sigmoid for
        tags, by a softmax with one temperature for classes that exclude each other. ``"softmax"``: over the labels of
        a track, as SAMAT does; changes the order of tracks. ``"logistic"``: a fixed curve of slope 1 at 1/2, which
        keeps it. Numbers are predicted as they are.
    """

    name = "em-banded"
    role = "signed"
    tabular = True
    cite = (fuglsang,)
    solver: Literal["auto", "em"] = "auto"
    max_iter: int = 1000
    eta: float = 1e-6
    tau: float = 1e-6
    phi: float = 1e-6
    kappa: float = 1e-6
    scale_y: bool = True
    shared: bool = False
    rank: int | None = None
    output: Literal["calibrated", "softmax", "logistic"] = "calibrated"

    def _settings(self) -> Settings:
        from mirstore_embanded.evidence import Priors
        from mirstore_embanded.regression import Settings

        if self.output not in ("calibrated", "softmax", "logistic"):
            raise ValueError(f"output must be 'calibrated', 'softmax' or 'logistic', got {self.output!r}")
        priors = Priors(self.eta, self.tau, self.phi, self.kappa)
        return Settings(self.solver, self.max_iter, 1e-8, priors, None, self.scale_y, self.shared)

    def _roughly(self) -> Settings:
        """Return settings for draws, whose spread is far larger than what this leaves out: 0.1 % of all variances."""
        return replace(self._settings(), solver="auto", tol=1e-3)

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        from mirstore_embanded.regression import fit

        self.labels_, self.columns_ = examples.classes, examples.table.columns
        self.groups_ = {name: list(members) for name, members in groups.items()}
        X, Y = self._matrices(examples)
        rows = (X, Y, np.ones(len(X)))
        self.fit_ = self._limited(fit(Gram.of(X, Y), self._positions(groups), self._settings(), rows))
        if self.output == "calibrated" and not examples.numeric:
            self._calibrate(X, Y, examples, seed)
        return self

    def _limited(self, found: Fit) -> Fit:
        from mirstore_embanded.regression import truncated

        return found if self.rank is None else truncated(found, self.rank)

    def _features(self, examples: Examples) -> np.ndarray:
        return examples.table.select(self.columns_).to_numpy().astype(np.float64, copy=False)

    def _matrices(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        if examples.labels is None:
            raise ValueError("examples without labels: nothing to learn")
        return self._features(examples), np.asarray(examples.labels, dtype=np.float64)

    def _positions(self, groups: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
        from mirstore_embanded.groups import resolve

        return resolve(groups, len(self.columns_), self.columns_, complete=False)

    def _calibrate(self, X: np.ndarray, Y: np.ndarray, examples: Examples, seed: int) -> None:
        from mirstore_embanded.calibration import leave_one_out, sigmoid, temperature

        everyone = np.ones(len(X))
        units = examples.units
        if units is None or len(set(units.tolist())) == 1:
            units = np.arange(len(X))
        if self.rank is None and len(set(units.tolist())) == len(X):
            scores = leave_one_out(self.fit_, X, Y, everyone)
        else:  # an artist's other tracks would tell too much about the one left out; a low rank has no closed form
            scores = self._scores_without_own_part(X, Y, units, seed)
        if examples.exclusive:
            self.temperature_ = temperature(scores, Y)
        else:
            self.slope_, self.offset_ = sigmoid(scores, Y, everyone)

    def _scores_without_own_part(self, X: np.ndarray, Y: np.ndarray, units: np.ndarray, seed: int) -> np.ndarray:
        from mirstore_embanded.regression import fit

        names, owner = np.unique(units, return_inverse=True)
        part = (np.random.default_rng(seed).permutation(len(names)) % min(parts, len(names)))[owner]
        scores = np.empty(Y.shape)
        for number in np.unique(part):
            inside = part == number
            rest = self.fit_.gram - Gram.of(X[inside], Y[inside], shift=self.fit_.gram.shift)
            without = self._limited(fit(rest, self.fit_.groups, self.fit_.settings))
            scores[inside] = X[inside] @ without.coef.T + without.intercept
        return scores

    def decision_function(self, examples: Examples) -> np.ndarray:
        """Return the regressions' own scores [shape=(n, k)].

        Parameters
        ----------
        examples : Examples
            As for `predict_proba`.
        """
        return self._features(examples) @ self.fit_.coef.T + self.fit_.intercept

    def predict_proba(self, examples: Examples) -> np.ndarray:
        from scipy.special import expit, softmax

        from mirstore_embanded.calibration import probabilities

        scores = self.decision_function(examples)
        if self.output == "softmax":
            return softmax(scores, axis=1)
        if self.output == "logistic":
            return expit(4 * (scores - 0.5))
        if examples.exclusive:
            return softmax(self.temperature_ * scores, axis=1)
        return probabilities(scores, self.slope_, self.offset_)

    def predict(self, examples: Examples) -> np.ndarray:
        return self.decision_function(examples)

    def save(self, folder: Path) -> None:
        found = self.fit_
        save_state(
            folder,
            columns=self.columns_,
            **{name: getattr(found, name) for name in fitted},
            **{f"gram_{field.name}": getattr(found.gram, field.name) for field in fields(Gram)},
            **{name: getattr(self, name) for name in about if hasattr(self, name)},
        )

    def load(self, folder: Path) -> Self:
        from mirstore_embanded.regression import Fit

        state = load_state(folder)
        for name in about & state.keys():
            setattr(self, name, state[name])
        self.columns_ = state["columns"]
        gram = Gram(*(state[f"gram_{field.name}"] for field in fields(Gram)))
        parts = {name: state[name] for name in fitted}
        self.fit_ = Fit(**parts, gram=gram, groups=self._positions(self.groups_), settings=self._settings())
        return self

    def group_importances(self) -> dict[str, float]:
        """Return the published importance: mean lambda over labels, scaled to sum to 1."""
        return _shares(self.fit_)

    def importances(self) -> list[Importance]:
        from mirstore_embanded import measures

        found = self.fit_
        # Shared variances are the same for all labels; what they explain is not.
        measure, values = ("variance", measures.variance(found)) if self.shared else ("lambda", found.lambdas)
        shares = values / np.maximum(values.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        per_label = [
            Importance(measure, label, group, float(value), measures.texts[measure])
            for label, row in zip(self.labels_, shares, strict=True)
            for group, value in zip(self.groups_, row, strict=True)
        ]
        means = {
            "mean of label shares": measures.share_mean(found.lambdas),
            "prior share": measures.mean_prior_share(found),
            "degrees of freedom": found.dof.mean(axis=0),
            "variance": measures.share_mean(measures.variance(found)),
            "product": measures.product(found).mean(axis=0),
        }
        return per_label + [
            Importance(measure, None, group, float(value), measures.texts[measure])
            for measure, values in means.items()
            for group, value in zip(self.groups_, values, strict=True)
        ]

    def column_weights(self) -> np.ndarray:
        return self.fit_.coef

    def contributions(self, examples: Examples) -> np.ndarray:
        X = self._features(examples) - self.fit_.gram.mean[: self.fit_.gram.d]
        return np.stack([X[:, m] @ self.fit_.coef[:, m].T for m in self.fit_.groups.values()], axis=-1)

    def importances_of_groupings(
        self, examples: Examples, groupings: Sequence[Mapping[str, Sequence[str]]], seed: int
    ) -> list[dict[str, float]]:
        """Return the importances under other groupings, all from the X'X of this fit."""
        from mirstore_embanded.regression import fit

        settings = self._roughly()
        return [_shares(fit(self.fit_.gram, self._positions(groups), settings)) for groups in groupings]

    def bootstrap_importances(
        self, examples: Examples, groups: Mapping[str, Sequence[str]], draws: int, seed: int
    ) -> list[dict[str, float]]:
        """Return importances of fits to resampled units."""
        from mirstore_embanded.regression import begun, fit
        from mirstore_embanded.statistics import resampled

        X, Y = self._matrices(examples)
        units = np.arange(len(X)) if examples.units is None else np.unique(examples.units, return_inverse=True)[1]
        members, settings = self._positions(groups), self._roughly()
        start = begun(Gram.of(X, Y), members, settings)
        return [_shares(fit(gram, members, settings, start=start)) for gram in resampled(X, Y, units, draws, seed)]


def _shares(found: Fit) -> dict[str, float]:
    from mirstore_embanded.measures import mean_share

    return dict(zip(found.groups, mean_share(found.lambdas).tolist(), strict=True))
