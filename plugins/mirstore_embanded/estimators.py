"""EM-banded regression as scikit-learn estimators."""

# ruff: noqa: TID253 (this module is loaded when an estimator is asked for: its base classes are scikit-learn's)

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from mirstore_embanded import calibration, measures
from mirstore_embanded.evidence import Priors
from mirstore_embanded.groups import resolve
from mirstore_embanded.regression import Fit, Settings, fit
from mirstore_embanded.statistics import Gram


class _EMBanded(BaseEstimator):  # type: ignore[misc]
    """What both estimators share."""

    def __init__(
        self,
        groups: Any = None,
        *,
        prior: str = "log",
        pooling: str = "labels",
        max_iter: int = 200,
        tol: float = 1e-6,
        eta: float = 1e-4,
        tau: float = 1e-4,
        phi: float = 1e-4,
        kappa: float = 1e-4,
        smoothness: Sequence[float | None] | None = None,
        standardize: bool = False,
    ) -> None:
        self.groups = groups
        self.prior = prior
        self.pooling = pooling
        self.max_iter = max_iter
        self.tol = tol
        self.eta = eta
        self.tau = tau
        self.phi = phi
        self.kappa = kappa
        self.smoothness = smoothness
        self.standardize = standardize

    def _settings(self) -> Settings:
        priors = Priors(self.eta, self.tau, self.phi, self.kappa)
        return Settings(self.prior, self.pooling, self.max_iter, self.tol, priors, self.smoothness)

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> Fit:
        scale = self._column_scale(X, weight)
        rows = (X / scale, Y, weight)
        uniform = bool((weight == 1).all())
        return self._learn(Gram.of(rows[0], Y, None if uniform else weight), scale, rows)

    def _column_scale(self, X: np.ndarray, weight: np.ndarray) -> np.ndarray:
        if not self.standardize:
            return np.ones(X.shape[1])
        mean = weight @ X / weight.sum()
        deviation = np.sqrt(weight @ (X - mean) ** 2 / weight.sum())
        return np.where(deviation > 0, deviation, 1.0)

    def _learn(self, gram: Gram, scale: np.ndarray, rows: Any = None) -> Fit:
        names = getattr(self, "feature_names_in_", None)
        groups = resolve(self.groups, gram.d, None if names is None else list(names))
        found = fit(gram, groups, self._settings(), rows)
        self.fit_, self.scale_ = found, scale
        self.group_names_ = list(groups)
        self.lambdas_, self.gamma_, self.nu_ = found.lambdas, found.dof, found.nu
        self.score_, self.n_iter_by_target_ = found.scores, found.iterations
        self.n_iter_ = int(found.iterations.max())
        self.group_importances_ = measures.shares(measures.variance(found)).mean(axis=0)
        return found

    def _scores(self, X: np.ndarray) -> np.ndarray:
        return (X / self.scale_) @ self.fit_.coef.T + self.fit_.intercept

    def group_contributions(self, X: Any) -> np.ndarray:
        """Return what each group adds to each score, relative to the mean example [shape=(n, l, groups)].

        Their sum and the mean of the target in training is the score, exactly.

        Parameters
        ----------
        X : array [shape=(n, d)]
        """
        check_is_fitted(self, "fit_")
        X = validate_data(self, X, dtype=np.float64, reset=False) / self.scale_
        centred = X - self.fit_.gram.mean[: self.fit_.gram.d]
        parts = [centred[:, m] @ self.fit_.coef[:, m].T for m in self.fit_.groups.values()]
        return np.stack(parts, axis=-1)

    def importance_table(self) -> list[dict[str, Any]]:
        """Return a row per target and group with its measures; see `mirstore_embanded.measures`.

        Keys are ``target``, ``group``, ``share`` (of the variance of the target's predictions), ``dof``, ``product``,
        ``lambda``, ``lambda_share`` and ``prior_share``. Warns of groups of whose lambdas more than a tenth is the
        prior's own.
        """
        check_is_fitted(self, "fit_")
        found = self.fit_
        self._warn_of_priors(found.prior_share.mean(axis=0))
        columns = {
            "share": measures.shares(measures.variance(found)),
            "dof": found.dof,
            "product": measures.product(found),
            "lambda": found.lambdas,
            "lambda_share": measures.shares(found.lambdas),
            "prior_share": found.prior_share,
        }
        return [
            {"target": i, "group": name, **{key: float(values[i, j]) for key, values in columns.items()}}
            for i in range(len(found.coef))
            for j, name in enumerate(found.groups)
        ]

    def _warn_of_priors(self, prior: np.ndarray) -> None:
        parts = zip(self.group_names_, prior.tolist(), strict=True)
        mostly = [f"{name} {part:.0%}" for name, part in parts if part > measures.much]
        if mostly:
            warnings.warn(
                f"part of lambda is the prior's own ({', '.join(mostly)}): the data say little about these groups",
                UserWarning,
                stacklevel=3,
            )


class EMBandedRegressor(RegressorMixin, MultiOutputMixin, _EMBanded):  # type: ignore[misc]
    """Ridge regression with one weight variance per group of columns, learned from the data.

    By default the variances are those of the highest evidence above a floor, which never lets a group go: first those
    that all targets share, then each target's own around them. A target's fit so depends on the others.

    Parameters
    ----------
    groups : None, sequence of int, sequence of sequences, or dict
        One number per column, or lists of positions or names of columns; None is one group.
    prior : str
        ``"log"``, or ``"inverse-gamma"``: the published prior and iteration, ``max_iter - 1`` updates from 1, on
        targets as they are.
    pooling : str
        ``"labels"``: a target's variances are near those that all targets share; under the published prior they are
        the same. ``"none"``: each target is fitted for itself.
    max_iter : int > 0
        Evaluations; 200 in the paper.
    tol : float > 0
        What the noise's log variance, and a group's variance relative to their sum, may still change; of ``"log"``.
    eta, tau, phi, kappa : float > 0
        Of the published prior, with the published values.
    smoothness : sequence of float or None, optional
        Per group: over how many columns neighbouring weights are alike.
    standardize : bool
        Divide columns by their deviation first; lambdas mean little without it, unless X is scaled already.

    Attributes
    ----------
    coef_, intercept_ : np.ndarray
        In the units of X and y.
    lambdas_, gamma_ : np.ndarray [shape=(targets, groups)]
        Variances of a weight, of standardised targets and in the units of X (of targets as they are under the
        published prior); effective degrees of freedom.
    nu_, score_ : np.ndarray [shape=(targets,)]
        Noise variance in the same units, and log posterior.
    group_names_ : list of str
    group_importances_ : np.ndarray [shape=(groups,)]
        Share of a group's part in the variance of the predictions, mean over targets.

    References
    ----------
    Fuglsang et al.: Exploring an EM-algorithm for banded regression in computational neuroscience, 2023,
    doi:10.1101/2023.09.22.558945.

    Examples
    --------
    >>> import numpy as np
    >>> from mirstore_embanded import EMBandedRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 6))
    >>> model = EMBandedRegressor(groups={"a": [0, 1, 2], "b": [3, 4, 5]}).fit(X, X[:, 0])
    >>> model.group_importances_[0] > 0.9
    np.True_
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit.

        Parameters
        ----------
        X : array [shape=(n, d)]
        y : array [shape=(n,) or (n, l)]
        sample_weight : array [shape=(n,)], optional

        Raises
        ------
        ValueError
            If something is not finite, or the groups do not fit the columns.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        kept = weight > 0
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        self._flat = np.ndim(y) == 1
        found = self._fit(X[kept], Y[kept], weight[kept])
        return self._expose(found)

    def fit_statistics(self, gram: Gram) -> Self:
        """Fit to sufficient statistics: of more rows than memory holds, or of a fold by subtraction.

        ``standardize`` divides by the deviations of the statistics.

        Parameters
        ----------
        gram : Gram
            Of X and y.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> X, Y = rng.normal(size=(100, 4)), rng.normal(size=(100, 1))
        >>> gram = Gram.of(X[:50], Y[:50])
        >>> gram += Gram.of(X[50:], Y[50:], shift=gram.shift)
        >>> model, whole = EMBandedRegressor().fit_statistics(gram), EMBandedRegressor().fit(X, Y)
        >>> np.allclose(model.coef_, whole.coef_)
        True
        """
        self.n_features_in_, self._flat = gram.d, False
        if not self.standardize:
            return self._expose(self._learn(gram, np.ones(gram.d)))
        deviation = np.sqrt(np.diag(gram.centred()[0]) / gram.n)
        scale = np.where(deviation > 0, deviation, 1.0)
        full = np.concatenate([scale, np.ones(len(gram.shift) - gram.d)])
        scaled = Gram(gram.n, gram.shift / full, gram.total / full, gram.products / np.outer(full, full), gram.d)
        return self._expose(self._learn(scaled, scale))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Add rows to what was learned so far and fit again; nothing of earlier rows is kept but their sums.

        Parameters
        ----------
        X : array [shape=(n, d)]
        y : array [shape=(n,) or (n, l)]
        sample_weight : array [shape=(n,)], optional
        """
        self.statistics_: Gram
        first = not hasattr(self, "statistics_")
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, reset=first)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        flat = np.ndim(y) == 1
        part = Gram.of(X, Y, weight, None if first else self.statistics_.shift)
        self.statistics_ = part if first else self.statistics_ + part
        self.fit_statistics(self.statistics_)
        self._flat = flat
        return self._expose(self.fit_)

    def _expose(self, found: Fit) -> Self:
        coef = found.coef / self.scale_
        self.coef_ = coef[0] if self._flat else coef
        self.intercept_ = found.intercept[0] if self._flat else found.intercept
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return predictions [shape=(n,) or (n, l)], and their standard deviation if asked for.

        The deviation is that of a new observation: noise, and uncertainty of mean and weights, as of a t distribution
        since the noise is learned. The groups' variances count as known: 1.96 deviations cover 95 % of many rows, and
        about 93 % at 30 rows of 20 columns.

        Parameters
        ----------
        X : array [shape=(n, d)]
        return_std : bool
        """
        check_is_fitted(self, "fit_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        predicted = self._scores(X)
        if not return_std:
            return predicted[:, 0] if self._flat else predicted
        deviation = np.sqrt(self._variance(X / self.scale_))
        return (predicted[:, 0], deviation[:, 0]) if self._flat else (predicted, deviation)

    def _variance(self, X: np.ndarray) -> np.ndarray:
        found = self.fit_
        centred = X - found.gram.mean[: found.gram.d]
        spread = [((centred @ found.root_of_covariance(i).T) ** 2).sum(axis=1) for i in range(len(found.coef))]
        noise = found.nu * found.scale**2
        left = np.maximum(found.gram.n - 1 - found.dof.sum(axis=1), 3.0)  # degrees of freedom that nu was learned from
        return (np.stack(spread, axis=1) + noise * (1 + 1 / found.gram.n)) * left / (left - 2)


class EMBandedClassifier(ClassifierMixin, _EMBanded):  # type: ignore[misc]
    """Classes, or several labels at once, by EM-banded regression of each on 0 and 1.

    Of classes that exclude each other the most probable is predicted. Probabilities are a softmax of the scores with
    one slope and an offset per class, or for two classes and for several labels Platt's sigmoid of each, as calibrated
    on the scores that training examples would get from a fit without them.

    Parameters
    ----------
    groups, prior, pooling, max_iter, tol, eta, tau, phi, kappa, smoothness, standardize
        See `EMBandedRegressor`.

    Attributes
    ----------
    classes_ : np.ndarray, or list of them for several labels
    coef_, intercept_, lambdas_, gamma_, nu_, score_, group_names_, group_importances_
        See `EMBandedRegressor`; a row per class, one row for two classes.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> y = np.where(X[:, 0] > 0, "lively", "calm")
    >>> model = EMBandedClassifier(groups={"a": [0, 1], "b": [2, 3]}).fit(X, y)
    >>> model.classes_.tolist(), model.predict(np.array([[2.0, 0, 0, 0]])).tolist()
    (['calm', 'lively'], ['lively'])
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit; see `EMBandedRegressor.fit`.

        Parameters
        ----------
        X : array [shape=(n, d)]
        y : array [shape=(n,) or (n, l)]
            Classes of any type; or 0 and 1 per label.
        sample_weight : array [shape=(n,)], optional

        Raises
        ------
        ValueError
            If there is one class only, something is not finite, or the groups do not fit the columns.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        kept = weight > 0
        X, y, weight = X[kept], y[kept], weight[kept]
        Y = self._targets(y)
        found = self._fit(X, Y, weight)
        self.coef_, self.intercept_ = found.coef / self.scale_, found.intercept
        left_out = calibration.leave_one_out(found, X / self.scale_, Y, weight)
        calibrate = calibration.sigmoid if self._labels or Y.shape[1] == 1 else calibration.softmax
        self.slope_: np.ndarray
        self.slope_, self.offset_ = calibrate(left_out, Y, weight)
        return self

    def _targets(self, y: np.ndarray) -> np.ndarray:
        self._labels = type_of_target(y) == "multilabel-indicator"
        self.classes_: Any
        if self._labels:
            self.classes_ = [np.unique(column) for column in y.T]
            return np.asarray(y, dtype=np.float64)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("y has one class only: a classifier needs at least two classes")
        one_hot = np.eye(len(self.classes_))[numbers]
        return one_hot[:, 1:] if len(self.classes_) == 2 else one_hot

    def decision_function(self, X: Any) -> np.ndarray:
        """Return calibrated scores [shape=(n,) for two classes, else (n, l)].

        Log odds of two classes and of labels: above 0 is more likely than not. Of several classes, the most probable
        one has the highest.

        Parameters
        ----------
        X : array [shape=(n, d)]
        """
        check_is_fitted(self, "fit_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scores = self.slope_ * self._scores(X) + self.offset_
        return scores[:, 0] if not self._labels and len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Return the classes, or 0 and 1 per label.

        Parameters
        ----------
        X : array [shape=(n, d)]
        """
        scores = self.decision_function(X)
        if self._labels:
            return (scores > 0).astype(int)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(int)]
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return calibrated probabilities, strictly inside (0, 1) [shape=(n, classes)].

        Of classes that exclude each other they sum to 1.

        Parameters
        ----------
        X : array [shape=(n, d)]
        """
        check_is_fitted(self, "fit_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scores = self._scores(X)
        if not self._labels and len(self.classes_) > 2:
            return softmax(self.slope_ * scores + self.offset_, axis=1)
        found = calibration.probabilities(scores, self.slope_, self.offset_)
        return found if self._labels else np.column_stack([1 - found[:, 0], found[:, 0]])
