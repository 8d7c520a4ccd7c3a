"""Frozen values of other libraries for tests/statistics.rs: NumPy's quantiles, SciPy's Mann-Whitney U, scikit-learn's
macro F1, and the paper's rule for duplicates in plain NumPy.

    python make.py        needs numpy, scipy, scikit-learn; writes statistics.json beside itself, with their versions

Floats are written with 17 digits; JSON's Infinity is written as the string "inf".
"""
import json
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from scipy.spatial.distance import pdist, squareform
from scipy.stats import mannwhitneyu
from sklearn.metrics import f1_score


def plain(values):
    """Lists of floats that strict JSON can hold."""
    return [str(float(v)) if np.isinf(v) else float(v) for v in np.ravel(values)]


def quantile_cases(rng):
    levels = [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.999, 1.0]
    columns = {
        "one value": [4.25],
        "two values": [3.0, -1.0],
        "normal": rng.normal(size=37),
        "ties": rng.integers(0, 5, 50).astype(float),
        "wide range": np.exp(rng.normal(0, 20, 101)),
        "large offset": 1e9 + rng.normal(size=64),
        "infinite end": np.r_[rng.normal(size=19), np.inf],
    }
    for name, values in columns.items():
        found = np.quantile(values, levels) if name != "infinite end" else np.quantile(values, levels[:7])
        yield dict(name=name, values=plain(values), levels=levels[: len(found)], quantiles=plain(found))


def mann_whitney_cases(rng):
    columns = {
        "no ties": (rng.normal(size=20), rng.normal(0.5, 1, 31)),
        "ties": (rng.integers(0, 6, 40), rng.integers(1, 7, 25)),
        "all equal": (np.ones(9), np.ones(12)),
        "equal but one": (np.r_[np.ones(8), 2.0], np.ones(12)),
        "same sample": (np.arange(10.0), np.arange(10.0)),
        "apart": (rng.normal(size=60), 100 + rng.normal(size=90)),
        "one each": ([1.0], [2.0]),
        "very unequal sizes": (rng.normal(size=3), rng.normal(1, 1, 200)),
        "infinite values and signed zeros": (
            [np.inf, 0.0, -0.0, 1.0, -np.inf, 2.0, 0.0],
            [-0.0, np.inf, 3.0, 0.5, 0.0],
        ),
    }
    for name, (x, y) in columns.items():
        x, y = np.asarray(x, float), np.asarray(y, float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = mannwhitneyu(x, y, alternative="two-sided", method="asymptotic")
        yield dict(name=name, x=plain(x), y=plain(y), u=float(result.statistic), p_value=float(result.pvalue))


def f1_cases(rng):
    columns = {
        "random": (rng.integers(0, 2, 10), rng.integers(0, 2, 10)),
        "all right": ([0, 1, 1, 0], [0, 1, 1, 0]),
        "all wrong": ([0, 1, 1, 0], [1, 0, 0, 1]),
        "only class 1 on both sides": ([1, 1, 1], [1, 1, 1]),
        "only class 0 on both sides": ([0, 0], [0, 0]),
        "class 0 never predicted": ([1, 1, 1, 1], [1, 0, 1, 0]),
        "class 1 never a label": ([0, 1, 0, 0], [0, 0, 0, 0]),
        "one class each side": ([1, 1], [0, 0]),
    }
    for name, (predictions, labels) in columns.items():
        score = f1_score(labels, predictions, average="macro", zero_division=0)
        cases = dict(predictions=[int(p) for p in predictions], labels=[int(q) for q in labels])
        yield dict(name=name, **cases, macro_f1=float(score))


def duplicate_cases(rng):
    """Points in two decimals, so that they are short; read as float32 by the test."""
    minima = rng.uniform(-10, 10, (24, 13))
    columns = {
        "some found twice": np.r_[minima, minima[::3] + rng.normal(0, 0.05, (8, 13))],
        "even scatter": rng.uniform(-10, 10, (30, 4)),
        "wide scatter": rng.uniform(-1, 1, (24, 3)) * np.exp(rng.normal(0, 2, (24, 1))),
    }
    for name, points in columns.items():
        points = np.round(points, 2).astype(np.float32).astype(np.float64)
        distances = pdist(points)
        mean, std = distances.mean(), distances.std()
        square, kept = squareform(distances), []
        for j in range(len(points)):
            kept.append(not any(kept[i] and square[i, j] < mean - 3 * std for i in range(j)))
        yield dict(
            name=name,
            points=[[round(v, 2) for v in row] for row in points.tolist()],
            mean=float(mean),
            std=float(std),
            kept=kept,
        )


def main():
    rng = np.random.default_rng(20260)
    frozen = dict(
        versions=dict(numpy=np.__version__, scipy=scipy.__version__, sklearn=sklearn.__version__),
        quantiles=list(quantile_cases(rng)),
        mann_whitney=list(mann_whitney_cases(rng)),
        macro_f1=list(f1_cases(rng)),
        duplicates=list(duplicate_cases(rng)),
    )
    text = json.dumps(frozen, allow_nan=False, separators=(",", ":"))
    # One case a line: a change of one shows as one.
    text = text.replace('},{"name"', '},\n{"name"').replace('[{"name"', '[\n{"name"')
    pathlib.Path(__file__).with_name("statistics.json").write_text(text + "\n")


main()
