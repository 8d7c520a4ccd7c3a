#!/usr/bin/env python3
"""What scikit-learn reaches on the real data of tests/data: the numbers that tests/real_scores.rs expects.

    pip install scikit-learn
    python benches/scikit_learn_peer.py --program target/release/sharpsweep

Every set is trained by MLPClassifier or MLPRegressor with plain gradient descent on the mean loss over all samples (no
momentum, no decay), in float64: from scikit-learn's own starts, random_state 0 to 19, and from the weights of seeds 0
to 3 of sharpsweep, where its sweep of the same shape begins. Prints the numbers of the test.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    from sklearn.metrics import accuracy_score, f1_score, log_loss, r2_score
    from sklearn.neural_network import MLPClassifier, MLPRegressor
except ImportError as error:
    sys.exit(f"{sys.argv[0]} needs scikit-learn ({error}): pip install scikit-learn")

DATA = pathlib.Path(__file__).resolve().parents[1] / "tests/data"

# name, hidden layers, activation, loss, step size of the mean loss, steps, range of the starting weights
CASES = [
    ("iris-3", (8, 8), "relu", "softmax", 0.1, 1000, 0.5),
    ("wine-3", (8,), "tanh", "softmax", 0.1, 500, 0.5),
    ("digits-10", (16,), "relu", "softmax", 0.05, 400, 0.3),
    ("diabetes", (8,), "tanh", "squared", 0.05, 1000, 0.5),
]
OWN_STARTS = 20
SEEDS = 4


def arrays(name):
    """Training and test samples and targets."""
    parts = ("train-x", "train-q", "test-x", "test-q")
    x, q, test_x, test_q = (np.load(DATA / f"{name}-{part}.npy") for part in parts)
    return x.astype(float), q, test_x.astype(float), test_q


def starts(program, case):
    """The weights of seeds 0 to 3, (4, D)."""
    name, hidden, activation, loss, _, _, init_range = case
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "start"
        shape = "x".join(map(str, hidden))
        data = ["--x", DATA / f"{name}-train-x.npy", "--q", DATA / f"{name}-train-q.npy", "--loss", loss]
        network = ["--hidden", shape, "--activation", activation, "--init-range", str(init_range)]
        run = ["--seeds", str(SEEDS), "--max-steps", "0", "--backend", "reference", "--out", out]
        subprocess.run([program, "sweep", *data, *network, *run], check=True, capture_output=True)
        return np.load(out / "theta.npy").astype(float)


def layers(theta, widths):
    """theta as one matrix (units, 1 + inputs) for each layer, the biases first: it stacks their columns."""
    found, at = [], 0
    for inputs, units in zip(widths, widths[1:]):
        count = units * (inputs + 1)
        found.append(theta[at : at + count].reshape(inputs + 1, units).T)
        at += count
    assert at == len(theta)
    return found


def trained(case, x, q, start=None, random_state=0):
    """A model after all steps, from `start` (D,) or from scikit-learn's own weights."""
    _, hidden, activation, loss, step_size, steps, _ = case
    options = {
        "hidden_layer_sizes": hidden, "activation": activation, "solver": "sgd", "alpha": 0, "momentum": 0,
        "nesterovs_momentum": False, "batch_size": len(x), "learning_rate_init": step_size, "tol": 0,
        "n_iter_no_change": steps + 1, "random_state": random_state, "warm_start": start is not None,
    }
    model = (MLPClassifier if loss == "softmax" else MLPRegressor)(max_iter=1, **options).fit(x, q)
    model.set_params(max_iter=steps)
    if start is not None:
        widths = [x.shape[1], *hidden, model.n_outputs_]
        for k, weights in enumerate(layers(start, widths)):
            model.coefs_[k][...] = weights[:, 1:].T
            model.intercepts_[k][...] = weights[:, 0]
        # The steps since the start count towards max_iter.
        model.n_iter_ = model.t_ = 0
    return model.fit(x, q)


def scores(case, model, data):
    """The mean loss on the training samples, and macro F1 and accuracy, or R^2, on those of the test."""
    x, q, test_x, test_q = data
    found = model.predict(test_x)
    if case[3] == "softmax":
        loss = log_loss(q, model.predict_proba(x))
        return loss, [f1_score(test_q, found, average="macro"), accuracy_score(test_q, found)]
    return np.mean((model.predict(x) - q) ** 2) / 2, [r2_score(test_q, found)]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--program", default="sharpsweep", help="the program sharpsweep")
    program = options.parse_args().program
    warnings.filterwarnings("ignore", category=UserWarning)
    for case in CASES:
        data = arrays(case[0])
        own = [scores(case, trained(case, *data[:2], random_state=k), data)[1] for k in range(OWN_STARTS)]
        same = [scores(case, trained(case, *data[:2], start=theta), data) for theta in starts(program, case)]
        ranges = [[float(f(column).round(6)) for f in (np.min, np.median, np.max)] for column in np.array(own).T]
        print(f"{case[0]}: min, median, max of each score {ranges}")
        print("    losses:", [float(f"{loss:.9g}") for loss, _ in same])
        print("    scores:", [[round(float(score), 6) for score in found] for _, found in same], flush=True)


if __name__ == "__main__":
    main()
