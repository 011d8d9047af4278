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

fitted = ("coef", "intercept", "lambdas", "dof", "prior_share", "nu", "scores", "iterations", "scale")
about = {"labels_", "groups_", "slope_", "offset_"}  # not all of them for every kind of task
parts = 5  # of the units, for scores of examples that were left out
rough = 1e-3  # of all variances, for draws: what it leaves out is far less than their spread


@dataclass
class EMBanded(Model):
    """EM-banded regression of each label on 0 and 1, or of each target on its values.

    A group's variance is found from the labels of the whole task first, and then for each label around that one: a
    label's fit depends on which other labels there are. Groups are never switched off. The published settings are
    registered as ``em-banded-paper`` and ``em-banded-samat``.

    Parameters
    ----------
    prior : str
        ``"log"``: variances are found in logarithms, above a floor of 0.1 % of a label's variance per group.
        ``"inverse-gamma"``: the published prior and iteration, on labels as they are.
    pooling : str
        ``"labels"``: a label's variances are near those that all labels share; under the published prior they are the
        same. ``"none"``: each label is fitted for itself, as if it were the only one.
    max_iter : int > 0
        Evaluations.
    eta, tau, phi, kappa : float > 0
        Of the published prior, with the published values.
    shrink : bool
        Let related labels borrow from each other: all labels' predictions vary in some directions, and each direction
        is kept as far as left-out examples confirm it. For tags of hundreds of tracks; it hurts with few.
    output : str
        How scores become numbers in [0, 1]. ``"calibrated"``: on scores of left-out examples, by Platt's sigmoid for
        tags, by a softmax with one slope and an offset per class for classes that exclude each other. ``"softmax"``:
        over the labels of a track, as SAMAT does; changes the order of tracks. ``"logistic"``: a fixed curve of slope
        1 at 1/2, which keeps it. Numbers are predicted as they are.
    """

    name = "em-banded"
    version = 2
    role = "signed"
    tabular = True
    cite = (fuglsang,)
    prior: Literal["log", "inverse-gamma"] = "log"
    pooling: Literal["labels", "none"] = "labels"
    max_iter: int = 200
    eta: float = 1e-4
    tau: float = 1e-4
    phi: float = 1e-4
    kappa: float = 1e-4
    shrink: bool = False
    output: Literal["calibrated", "softmax", "logistic"] = "calibrated"

    def _settings(self) -> Settings:
        from mirstore_embanded.evidence import Priors
        from mirstore_embanded.regression import Settings

        if self.output not in ("calibrated", "softmax", "logistic"):
            raise ValueError(f"output must be 'calibrated', 'softmax' or 'logistic', got {self.output!r}")
        priors = Priors(self.eta, self.tau, self.phi, self.kappa)
        return Settings(self.prior, self.pooling, self.max_iter, priors=priors)

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        from mirstore_embanded.regression import fit, shrunk

        self.labels_, self.columns_ = examples.classes, examples.table.columns
        self.groups_ = {name: list(members) for name, members in groups.items()}
        X, Y = self._matrices(examples)
        self.fit_ = fit(Gram.of(X, Y), self._positions(groups), self._settings(), (X, Y, np.ones(len(X))))
        calibrated = self.output == "calibrated" and not examples.numeric
        self._later: tuple[np.ndarray, np.ndarray, np.ndarray | None, bool, int] | None = None
        if self.shrink:
            self.fit_, scores = shrunk(self.fit_, self._left_out(X, Y, examples.units, seed), Y)
            if calibrated:
                self._calibrate(scores, Y, examples.exclusive)
        elif calibrated:
            self._later = X, Y, examples.units, examples.exclusive, seed
        return self

    def _calibrate(self, scores: np.ndarray, Y: np.ndarray, exclusive: bool) -> None:
        from mirstore_embanded.calibration import sigmoid, softmax

        self.slope_: np.ndarray  # one of all classes, or one per tag
        self.slope_, self.offset_ = (softmax if exclusive else sigmoid)(scores, Y, np.ones(len(Y)))

    def _calibrated(self) -> None:
        """Calibrate, if that is still to be done: it takes five more fits, which shares of groups do not need."""
        if self._later is not None:
            X, Y, units, exclusive, seed = self._later
            self._later = None
            self._calibrate(self._left_out(X, Y, units, seed), Y, exclusive)

    def _features(self, examples: Examples) -> np.ndarray:
        return examples.table.select(self.columns_).to_numpy().astype(np.float64, copy=False)

    def _matrices(self, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
        if examples.labels is None:
            raise ValueError("examples without labels: nothing to learn")
        return self._features(examples), np.asarray(examples.labels, dtype=np.float64)

    def _positions(self, groups: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
        from mirstore_embanded.groups import resolve

        return resolve(groups, len(self.columns_), self.columns_, complete=False)

    def _left_out(self, X: np.ndarray, Y: np.ndarray, units: np.ndarray | None, seed: int) -> np.ndarray:
        """Return the scores that examples get from fits without them and the rest of their unit."""
        from mirstore_embanded.calibration import leave_one_out

        if units is None or len(set(units.tolist())) in (1, len(X)):
            return leave_one_out(self.fit_, X, Y, np.ones(len(X)))
        return self._without_own_part(X, Y, units, seed)  # an artist's other tracks would tell too much of one track

    def _without_own_part(self, X: np.ndarray, Y: np.ndarray, units: np.ndarray, seed: int) -> np.ndarray:
        from mirstore_embanded.regression import fit

        names, owner = np.unique(units, return_inverse=True)
        part = (np.random.default_rng(seed).permutation(len(names)) % min(parts, len(names)))[owner]
        scores, settings = np.empty(Y.shape), replace(self.fit_.settings, tol=rough)
        for number in np.unique(part):
            out = part == number
            rest = self.fit_.gram - Gram.of(X[out], Y[out], shift=self.fit_.gram.shift)
            without = fit(rest, self.fit_.groups, settings)
            scores[out] = X[out] @ without.coef.T + without.intercept
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
        self._calibrated()
        if examples.exclusive:
            return softmax(self.slope_ * scores + self.offset_, axis=1)
        return probabilities(scores, self.slope_, self.offset_)

    def predict(self, examples: Examples) -> np.ndarray:
        return self.decision_function(examples)

    def save(self, folder: Path) -> None:
        self._calibrated()
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

        self._later, state = None, load_state(folder)
        for name in about & state.keys():
            setattr(self, name, state[name])
        self.columns_ = state["columns"]
        gram = Gram(*(state[f"gram_{field.name}"] for field in fields(Gram)))
        found = {name: state[name] for name in fitted}
        self.fit_ = Fit(**found, gram=gram, groups=self._positions(self.groups_), settings=self._settings())
        return self

    def group_importances(self) -> dict[str, float]:
        """Return the share of each group's part in the variance of the predictions, mean over labels."""
        return _shares(self.fit_)

    def importances(self) -> list[Importance]:
        from mirstore_embanded import measures

        found = self.fit_
        per_label = {
            "variance": measures.shares(measures.variance(found)),
            "lambda": measures.shares(found.lambdas),
            "degrees of freedom": found.dof,
        }
        for_all = {
            "degrees of freedom": found.dof.mean(axis=0),
            "prior share": found.prior_share.mean(axis=0),
            "product": measures.product(found).mean(axis=0),
            "lambda": measures.mean_share(found.lambdas),
            "mean of lambda shares": measures.shares(found.lambdas).mean(axis=0),
        }
        return [
            Importance(measure, label, group, float(value), measures.texts[measure])
            for measure, values in per_label.items()
            for label, row in zip(self.labels_, values, strict=True)
            for group, value in zip(self.groups_, row, strict=True)
        ] + [
            Importance(measure, None, group, float(value), measures.texts[measure])
            for measure, values in for_all.items()
            for group, value in zip(self.groups_, values, strict=True)
        ]

    def column_weights(self) -> np.ndarray:
        return self.fit_.coef

    def contributions(self, examples: Examples) -> np.ndarray:
        X = self._features(examples) - self.fit_.gram.mean[: self.fit_.gram.d]
        return np.stack([X[:, m] @ self.fit_.coef[:, m].T for m in self.fit_.groups.values()], axis=-1)


def _standardised(X: np.ndarray) -> np.ndarray:
    centred = X - X.mean(axis=0)
    deviation = centred.std(axis=0)
    # Sums of equal numbers leave a deviation of some rounding errors.
    return centred / np.where(deviation > 10 * np.finfo(float).eps * np.abs(X).max(axis=0), deviation, np.inf)


def _shares(found: Fit) -> dict[str, float]:
    from mirstore_embanded.measures import shares, variance

    return dict(zip(found.groups, shares(variance(found)).mean(axis=0).tolist(), strict=True))
