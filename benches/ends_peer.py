"""Confirms in 50 digits what a run with --polish says of the ends of its descents.

    pip install mpmath numpy
    sharpsweep sweep --seeds 200 --weight-decay 1e-3 --polish --out runs/ends
    python benches/ends_peer.py runs/ends [ROWS]

It shares no code with the program: z, dz/dtheta and d2z/dtheta2 are formed here, and the Hessian is sum s J J^T + delta
Z. Index and nullity are counted again at the recorded weights. At a minimum or a saddle, Newton's method in 50 digits
has to arrive within 1e-8 (1 + |theta|) of them, and index and nullity have to be the same there. In a valley no
critical point may be near: the objective has to fall further, in relative accuracy, while the weights of a unit or of
the output grow.
"""
import json
import pathlib
import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 50
TAU, STEP = mp.mpf("1e-9"), mp.mpf("1e-8")
MINIMUM, SADDLE, VALLEY = 0, 1, 2


def logistic(y):
    return 1 / (1 + mp.exp(-y))


def activation(name, y):
    """f, f' and f''."""
    if name == "sigmoid":
        f, g = logistic(y), logistic(-y)
        return f, f * g, (g - f) * f * g
    if name == "tanh":
        df = mp.sech(y) ** 2
        return mp.tanh(y), df, -2 * mp.tanh(y) * df
    if name == "softplus":
        df = logistic(y)
        return mp.log1p(mp.exp(y)), df, df * logistic(-y)
    if name == "gelu":
        density, share = mp.npdf(y), mp.ncdf(y)
        return y * share, share + y * density, density * (2 - y * y)
    return y, mp.mpf(1), mp.mpf(0)


class Objective:
    def __init__(self, run):
        spec = json.loads((run / "manifest.json").read_text())["spec"]
        self.hidden, self.name = spec["hidden"], spec["activation"]
        self.decay = mp.mpf(spec["work"].get("weight_decay", 0))
        self.x = [[mp.mpf(float(value)) for value in row] for row in np.load(run / "data" / "x.npy")]
        self.q = [int(label) for label in np.load(run / "data" / "q.npy")]
        self.inputs = len(self.x[0])
        self.size = (self.inputs + 1) * self.hidden + self.hidden + 1

    def at(self, theta):
        """Gradient and Hessian of L + alpha |theta|^2 / 2."""
        n_units, size = self.hidden, self.size
        v0 = (self.inputs + 1) * n_units
        gradient, hessian = mp.matrix(size, 1), mp.matrix(size, size)
        for x, q in zip(self.x, self.q):
            h = [mp.mpf(1)] + x
            z, slope, bend = theta[v0], mp.matrix(size, 1), {}
            slope[v0] = mp.mpf(1)
            for n in range(n_units):
                places = [m * n_units + n for m in range(self.inputs + 1)]
                f, df, ddf = activation(self.name, mp.fdot((theta[p], value) for p, value in zip(places, h)))
                v = theta[v0 + 1 + n]
                z += v * f
                slope[v0 + 1 + n] = f
                for p, a in zip(places, h):
                    slope[p] = v * df * a
                    bend[p, v0 + 1 + n] = bend[v0 + 1 + n, p] = df * a
                    for r, b in zip(places, h):
                        bend[p, r] = v * ddf * a * b
            p, other = logistic(z), logistic(-z)
            delta, s = (-other if q else p), p * other
            for a in range(size):
                gradient[a] += delta * slope[a]
                for b in range(size):
                    hessian[a, b] += s * slope[a] * slope[b]
            for (a, b), value in bend.items():
                hessian[a, b] += delta * value
        for a in range(size):
            gradient[a] += self.decay * theta[a]
            hessian[a, a] += self.decay
        return gradient, hessian

    def scalings(self):
        """The places of theta that are scaled together: each unit's input weights, then the output weights."""
        n_units, v0 = self.hidden, (self.inputs + 1) * self.hidden
        units = [[m * n_units + n for m in range(self.inputs + 1)] for n in range(n_units)]
        return units + [list(range(v0, self.size)), list(range(self.size))]


def counted(hessian):
    """Index and nullity by tau."""
    values = mp.eigsy(hessian, eigvals_only=True)
    tau = TAU * mp.sqrt(mp.fsum(value * value for value in values))
    return sum(value < -tau for value in values), sum(abs(value) <= tau for value in values)


def confirm(objective, recorded, end, index, nullity):
    """What is wrong with a row; None if nothing is."""
    start = mp.matrix([mp.mpf(float(weight)) for weight in recorded])
    gradient, hessian = objective.at(start)
    if counted(hessian) != (index, nullity):
        return f"index and nullity are {counted(hessian)} at theta_polished, not {(index, nullity)}"
    if end == VALLEY:
        slopes = [mp.fsum(gradient[p] * start[p] for p in places) for places in objective.scalings()]
        return None if min(slopes) < 0 else "the objective falls along no scaling of weights"
    if end not in (MINIMUM, SADDLE):
        return "it is no end"
    theta = start
    for _ in range(20):
        step = mp.lu_solve(hessian, -gradient)
        theta = theta + step
        gradient, hessian = objective.at(theta)
        if mp.norm(step) < mp.mpf("1e-40") * (1 + mp.norm(theta)):
            break
    else:
        return "Newton's method does not arrive"
    if mp.norm(theta - start) > STEP * (1 + mp.norm(start)):
        return f"the critical point is {mp.nstr(mp.norm(theta - start), 3)} away"
    if counted(hessian) != (index, nullity):
        return f"index and nullity are {counted(hessian)} at the critical point"
    return None


run = pathlib.Path(sys.argv[1])
column = {name: np.load(run / f"{name}.npy") for name in ("theta_polished", "end", "polish_index", "polish_nullity")}
rows = min(int(sys.argv[2]) if len(sys.argv) > 2 else 200, len(column["end"]))
objective, wrong = Objective(run), 0
for row in range(rows):
    found = confirm(objective, *(column[name][row] for name in column))
    if found:
        wrong += 1
        print(f"row {row}, end {column['end'][row]}: {found}", flush=True)
print(f"{rows - wrong} of {rows} rows confirmed")
sys.exit(wrong > 0)
