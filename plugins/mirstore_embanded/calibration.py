"""From regression scores to probabilities, on scores that examples get from a fit without them."""

from __future__ import annotations

import numpy as np

from mirstore_embanded.regression import Fit

usual_slope, spread_of_slope = float(np.log(4.0)), 0.5  # of log slope: scores of labels are about 0 to 1


def leave_one_out(fit: Fit, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the score that each example gets from a fit without it, at the same variances [shape=(n, l)].

    In closed form: the residual grows by ``1 / (1 - h)`` with ``h = 1 / n + x' Sigma x / nu``. Of an example with
    weight 2, which is two equal ones, one is left out.

    Parameters
    ----------
    fit : Fit
    X : np.ndarray [shape=(n, d)]
        The examples of the fit.
    Y : np.ndarray [shape=(n, l)]
        Their targets.
    weight : np.ndarray [shape=(n,)]
        Theirs in the fit.
    """
    centred, Y_centred = X - fit.gram.mean[: fit.gram.d], Y - fit.gram.mean[fit.gram.d :]
    residuals = _residuals_by_rows if len(X) <= fit.gram.d and fit.settings.smoothness is None else _residuals
    return Y - np.stack([residuals(fit, i, centred, Y_centred[:, i], weight) for i in range(len(fit.coef))], axis=1)


def _residuals(fit: Fit, target: int, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    spread = ((X @ fit.root_of_covariance(target).T) ** 2).sum(axis=1)
    h = 1 / fit.gram.n + spread / (fit.nu[target] * fit.scale[target] ** 2)
    return (y - X @ fit.coef[target]) / np.maximum(1 - h, 1e-9)


def _residuals_by_rows(fit: Fit, target: int, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the same where h is nearly 1, since as many columns as rows can fit anything: 1 - h without a difference.

    On the eigenvectors of the rows' products; the one that centring made null is left out of all sums.
    """
    from scipy.linalg import eigh

    scale = np.zeros(fit.gram.d)
    for members, value in zip(fit.groups.values(), fit.lambdas[target], strict=True):
        scale[members] = np.sqrt(value)
    root = np.sqrt(weight)
    A = X * scale * root[:, None]
    products = A @ A.T
    mark = 1 + 2 * np.trace(products)  # larger than any eigenvalue: puts the null vector, which is known, last
    values, vectors = eigh(products + mark * np.outer(root, root) / weight.sum())
    ratio, vectors = fit.nu[target] / (fit.nu[target] + np.maximum(values[:-1], 0.0)), vectors[:, :-1]
    residual = vectors @ (ratio * (vectors.T @ (root * y))) / root
    kept = 1 - 1 / weight + (vectors**2 @ ratio) / weight
    return residual / np.maximum(kept, 1e-12)


def sigmoid(scores: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and offset per label of ``1 / (1 + exp(-(slope * score + offset)))``, by Newton's method.

    The targets are Platt's: not 0 and 1, but what those would be with one more example of each. A slope is never
    negative, so that calibration keeps the order of examples.

    Parameters
    ----------
    scores : np.ndarray [shape=(n, l)]
    Y : np.ndarray [shape=(n, l)]
        In [0, 1].
    weight : np.ndarray [shape=(n,)]
    """
    s = weight[:, None]
    yes = (s * Y).sum(axis=0)
    no = (s * (1 - Y)).sum(axis=0)
    target = Y * (yes + 1) / (yes + 2) + (1 - Y) / (no + 2)
    centre = (s * scores).sum(axis=0) / s.sum()
    width = np.maximum(np.sqrt((s * (scores - centre) ** 2).sum(axis=0) / s.sum()), 1e-12)
    Z = (scores - centre) / width
    slope, offset = np.zeros(Z.shape[1]), np.log((yes + 1) / (no + 1))
    for _ in range(50):
        p = _logistic(slope * Z + offset)
        error, curve = s * (p - target), s * np.maximum(p * (1 - p), 1e-12)
        g = np.stack([(error * Z).sum(axis=0), error.sum(axis=0)])
        aa, ab, bb = (curve * Z**2).sum(axis=0) + 1e-9, (curve * Z).sum(axis=0), curve.sum(axis=0) + 1e-9
        determinant = np.maximum(aa * bb - ab**2, 1e-12)
        change = np.stack([bb * g[0] - ab * g[1], aa * g[1] - ab * g[0]]) / determinant
        change = np.clip(change, -2.0, 2.0)
        slope, offset = slope - change[0], offset - change[1]
        if np.abs(change).max() < 1e-10:
            break
    slope = np.maximum(slope, 1e-3) / width
    return slope, offset - slope * centre


def softmax(scores: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the slope and the offsets of ``softmax(slope * score + offset)``, for classes that exclude each other.

    The most probable ones under priors, which hold where examples are few: the logarithm of the slope is normal around
    log 4 with deviation 1/2, offsets are standard normal. Targets are mixed with the frequencies of the l classes,
    by ``l / (n + l)``.

    Parameters
    ----------
    scores, Y : np.ndarray [shape=(n, l)]
        Scores of left-out examples; labels, or label distributions.
    weight : np.ndarray [shape=(n,)]

    Returns
    -------
    tuple of (np.ndarray [scalar], np.ndarray [shape=(l,)])
    """
    n, classes = float(weight.sum()), Y.shape[1]
    mixed = classes / (n + classes)
    target = weight[:, None] * ((1 - mixed) * Y + mixed * (weight @ Y) / n)
    x = np.append(usual_slope, np.zeros(classes))
    value, p = _loss(x, scores, target)
    for _ in range(50):
        step = _newton(x, scores, p, target)
        trial, trial_p = _loss(x - step, scores, target)
        while not trial <= value and np.abs(step).max() > 1e-9:
            step = step / 4
            trial, trial_p = _loss(x - step, scores, target)
        x, value, p = x - step, trial, trial_p
        if np.abs(step).max() <= 1e-9:
            break
    return np.exp(x[0]), x[1:]


def _loss(x: np.ndarray, scores: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the negative log posterior at x = (log slope, offsets), and the probabilities."""
    z = np.exp(x[0]) * scores + x[1:]
    peak = z.max(axis=1, keepdims=True)
    odds = np.exp(z - peak)
    volume = odds.sum(axis=1, keepdims=True)
    prior = (x[0] - usual_slope) ** 2 / (2 * spread_of_slope**2) + (x[1:] ** 2).sum() / 2
    return float((target * (np.log(volume) + peak - z)).sum() + prior), odds / volume


def _newton(x: np.ndarray, scores: np.ndarray, p: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the step of Newton's method down; the curvature leaves out what can be negative."""
    grown, expected = np.exp(x[0]) * scores, target.sum(axis=1, keepdims=True) * p
    error = expected - target
    along, apart = (error * grown).sum(), grown - (p * grown).sum(axis=1, keepdims=True)
    gradient = np.append(along + (x[0] - usual_slope) / spread_of_slope**2, error.sum(axis=0) + x[1:])
    H = np.empty((len(x), len(x)))
    H[0, 0] = (expected * apart**2).sum() + max(along, 0.0) + spread_of_slope**-2
    H[0, 1:] = H[1:, 0] = (expected * apart).sum(axis=0)
    H[1:, 1:] = np.diag(expected.sum(axis=0) + 1) - p.T @ expected
    return np.linalg.solve(H, gradient)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -500, 500)))


def probabilities(scores: np.ndarray, slope: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return calibrated probabilities, strictly inside (0, 1).

    Parameters
    ----------
    scores : np.ndarray [shape=(n, l)]
    slope, offset : np.ndarray [shape=(l,)]
        As `sigmoid` returns them.
    """
    return np.clip(_logistic(slope * scores + offset), 1e-9, 1 - 1e-9)
