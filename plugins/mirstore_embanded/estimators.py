"""EM-banded regression as scikit-learn estimators."""

# ruff: noqa: TID253 (this module is loaded when an estimator is asked for: its base classes are scikit-learn's)

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
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
        solver: str = "auto",
        max_iter: int = 1000,
        tol: float = 1e-9,
        eta: float = 1e-4,
        tau: float = 1e-4,
        phi: float = 1e-4,
        kappa: float = 1e-4,
        smoothness: Sequence[float | None] | None = None,
        scale_y: bool = False,
        standardize: bool = False,
        shared: bool = False,
    ) -> None:
        self.groups = groups
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.eta = eta
        self.tau = tau
        self.phi = phi
        self.kappa = kappa
        self.smoothness = smoothness
        self.scale_y = scale_y
        self.standardize = standardize
        self.shared = shared

    def _settings(self) -> Settings:
        priors = Priors(self.eta, self.tau, self.phi, self.kappa)
        return Settings(self.solver, self.max_iter, self.tol, priors, self.smoothness, self.scale_y, self.shared)

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
        self.group_importances_ = measures.mean_share(found.lambdas)
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

        Keys are ``target``, ``group``, ``lambda``, ``share``, ``prior_share``, ``dof``, ``variance``, ``product``.
        Warns of groups whose mean lambda is the prior's own by more than a tenth.
        """
        check_is_fitted(self, "fit_")
        found = self.fit_
        prior, variance, product = measures.prior_share(found), measures.variance(found), measures.product(found)
        self._warn_of_priors(measures.mean_prior_share(found))
        shares = found.lambdas / found.lambdas.sum(axis=1, keepdims=True)
        return [
            {
                "target": i,
                "group": name,
                "lambda": float(found.lambdas[i, j]),
                "share": float(shares[i, j]),
                "prior_share": float(prior[i, j]),
                "dof": float(found.dof[i, j]),
                "variance": float(variance[i, j]),
                "product": float(product[i, j]),
            }
            for i in range(len(found.coef))
            for j, name in enumerate(found.groups)
        ]

    def _warn_of_priors(self, prior: np.ndarray) -> None:
        parts = zip(self.group_names_, prior.tolist(), strict=True)
        mostly = [f"{name} {part:.0%}" for name, part in parts if part > measures.much]
        if mostly:
            warnings.warn(
                f"part of lambda is the prior's own ({', '.join(mostly)}): the data say little about these groups, or "
                "targets are small: scale_y=True and a smaller tau tell",
                UserWarning,
                stacklevel=3,
            )


class EMBandedRegressor(RegressorMixin, MultiOutputMixin, _EMBanded):  # type: ignore[misc]
    """Ridge regression with one variance per group of columns, found by maximising the evidence.

    Several targets each get their own variances, all from one X'X.

    Parameters
    ----------
    groups : None, sequence of int, sequence of sequences, or dict
        One number per column, or lists of positions or names of columns; None is one group.
    solver : str
        ``"auto"``: the optimum; ``"em"``: the published iteration, ``max_iter - 1`` updates from 1.
    max_iter : int > 0
        Evaluations; 200 in the paper.
    tol : float > 0
        Of the log variances; ``"auto"`` only.
    eta, tau, phi, kappa : float > 0
        Inverse gamma priors of the groups' variances and of the noise's.
    smoothness : sequence of float or None, optional
        Per group: over how many columns neighbouring weights are alike.
    scale_y : bool
        Divide targets by their deviation first, so that the priors mean the same for rare and common ones.
    standardize : bool
        Divide columns by their deviation first; lambdas mean little without it, unless X is scaled already.
    shared : bool
        One set of variances for all targets.

    Attributes
    ----------
    coef_, intercept_ : np.ndarray
        In the units of X and y.
    lambdas_, gamma_ : np.ndarray [shape=(targets, groups)]
        Variances and effective degrees of freedom.
    nu_, score_ : np.ndarray [shape=(targets,)]
        Noise variance and log posterior.
    group_names_ : list of str
    group_importances_ : np.ndarray [shape=(groups,)]
        Mean lambda over targets, scaled to sum to 1.

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

        The deviation is that of a new observation: noise, and uncertainty of mean and weights.

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
        noise = found.nu * found.scale**2
        spread = [np.einsum("nd,nd->n", centred @ found.covariance(i), centred) for i in range(len(found.coef))]
        return np.stack(spread, axis=1) + noise * (1 + 1 / found.gram.n)


class EMBandedClassifier(ClassifierMixin, _EMBanded):  # type: ignore[misc]
    """Classes, or several labels at once, by EM-banded regression of each on 0 and 1.

    Of classes that exclude each other the most probable is predicted. Probabilities are Platt's sigmoid of the scores
    that training examples would get from a fit without them.

    Parameters
    ----------
    groups, solver, max_iter, tol, eta, tau, phi, kappa, smoothness, scale_y, standardize, shared
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
        self.slope_, self.offset_ = calibration.sigmoid(left_out, Y, weight)
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
        """Return calibrated log odds: above 0 is more likely than not [shape=(n,) for two classes, else (n, l)].

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

        Of classes that exclude each other they sum to 1: two share one sigmoid, of more each has its own, divided by
        their sum.

        Parameters
        ----------
        X : array [shape=(n, d)]
        """
        check_is_fitted(self, "fit_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found = calibration.probabilities(self._scores(X), self.slope_, self.offset_)
        if self._labels:
            return found
        if len(self.classes_) == 2:
            return np.column_stack([1 - found[:, 0], found[:, 0]])
        return found / found.sum(axis=1, keepdims=True)
