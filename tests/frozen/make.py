"""Frozen values of other libraries for tests/statistics.rs: NumPy's quantiles, SciPy's Mann-Whitney U, scikit-learn's
macro F1, accuracy, R^2 and log loss, and the paper's rule for duplicates in plain NumPy.

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
from scipy.special import expit, softmax
from scipy.stats import mannwhitneyu
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_squared_error, r2_score


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


def score_cases(rng):
    """Outputs in two decimals, so that they are short."""
    normal = lambda samples, outputs: np.round(rng.normal(0, 2, (samples, outputs)), 2)
    labels = lambda samples, outputs: rng.integers(0, 2, (samples, outputs))
    never = labels(12, 4)
    never[:, 1] = 0
    silent = normal(12, 4)
    silent[:, 1:3] = np.round(-np.abs(silent[:, 1:3]) - 0.01, 2)
    constant = np.c_[np.full(9, 2.5), np.round(rng.normal(size=9), 2)]
    columns = {
        "two classes, one output": ("logistic", normal(15, 1), labels(15, 1)),
        "an output of 0": ("logistic", np.array([[0.0], [0.5], [-0.5], [0.0]]), np.array([[1], [1], [0], [0]])),
        "labels": ("logistic", normal(15, 3), labels(15, 3)),
        "a label that is never there nor predicted": ("logistic", silent, never),
        "three classes": ("softmax", normal(20, 3), rng.integers(0, 3, 20)),
        "two classes, two outputs": ("softmax", normal(20, 2), rng.integers(0, 2, 20)),
        "ten classes": ("softmax", normal(60, 10), rng.integers(0, 10, 60)),
        "a class that is nowhere": ("softmax", np.c_[normal(20, 3), np.full(20, -50.0)], rng.integers(0, 3, 20)),
        "a class that is only predicted": ("softmax", np.c_[normal(20, 3), np.full(20, 2.0)], rng.integers(0, 3, 20)),
        "a class that is never predicted": ("softmax", np.c_[normal(20, 3), np.full(20, -9.0)], rng.integers(0, 4, 20)),
        "equal outputs": ("softmax", np.zeros((4, 3)), np.array([0, 1, 2, 0])),
        "one value": ("squared", normal(15, 1), np.round(rng.normal(size=(15, 1)), 2)),
        "values": ("squared", normal(15, 3), np.round(rng.normal(0, 3, (15, 3)), 2)),
        "constant targets": ("squared", normal(9, 2), constant),
        "constant targets, hit": ("squared", np.c_[np.full(9, 2.5), normal(9, 1)], constant),
        "all hit": ("squared", constant, constant),
    }
    for name, (loss, outputs, targets) in columns.items():
        case = dict(name=name, loss=loss, outputs=[plain(z) for z in outputs], targets=np.asarray(targets).tolist())
        classes = range(outputs.shape[1])
        if loss == "squared":
            case["test_loss"] = float(mean_squared_error(targets, outputs) * targets.size / 2)
            yield case | dict(r2=float(r2_score(targets, outputs)))
            continue
        if loss == "softmax":
            predictions = outputs.argmax(1)
            total = log_loss(targets, softmax(outputs, axis=1), normalize=False, labels=classes)
        else:
            predictions, targets = (outputs > 0).astype(int), np.squeeze(targets)
            predictions = np.squeeze(predictions)
            both = zip(outputs.T, np.atleast_2d(targets.T))
            total = sum(log_loss(t, expit(z), normalize=False, labels=[0, 1]) for z, t in both)
        yield case | dict(
            test_loss=float(total),
            accuracy=float(accuracy_score(targets, predictions)),
            macro_f1=float(f1_score(targets, predictions, average="macro", zero_division=0)),
        )


def main():
    rng = np.random.default_rng(20260)
    frozen = dict(
        versions=dict(numpy=np.__version__, scipy=scipy.__version__, sklearn=sklearn.__version__),
        quantiles=list(quantile_cases(rng)),
        mann_whitney=list(mann_whitney_cases(rng)),
        macro_f1=list(f1_cases(rng)),
        duplicates=list(duplicate_cases(rng)),
        scores=list(score_cases(rng)),
    )
    text = json.dumps(frozen, allow_nan=False, separators=(",", ":"))
    # One case a line: a change of one shows as one.
    text = text.replace('},{"name"', '},\n{"name"').replace('[{"name"', '[\n{"name"')
    pathlib.Path(__file__).with_name("statistics.json").write_text(text + "\n")


main()
