"""Loss, gradient and Hessian of a run's networks in 51 digits, for ends_peer.py and brackets_peer.py.

It shares no code with the program: dz/dtheta and d2z/dtheta2 are formed here, and the Hessian is sum_i s_i J_i J_i^T +
delta_i Z_i. Matrices are NumPy's, of MPFR's numbers with 170 bits (gmpy2). Eigenvalues are counted by the signs of
pivots, after Sylvester; the pivots are unpivoted, and 40 digits may be lost before a count is in doubt.
"""
import json

import gmpy2
import numpy as np

gmpy2.get_context().precision = 170
EPSILON = gmpy2.mpfr("1e-50")
exp, log1p, sqrt = (np.frompyfunc(function, 1, 1) for function in (gmpy2.exp, gmpy2.log1p, gmpy2.sqrt))
tanh, sech = (np.frompyfunc(function, 1, 1) for function in (gmpy2.tanh, gmpy2.sech))
erf, erfc = (np.frompyfunc(function, 1, 1) for function in (gmpy2.erf, gmpy2.erfc))


def exact(values):
    """Numbers in 51 digits that equal these in float64."""
    return np.frompyfunc(lambda value: gmpy2.mpfr(float(value)), 1, 1)(np.asarray(values, dtype=np.float64))


def logistic(y):
    return 1 / (1 + exp(-y))


def softplus(y):
    return np.where(y > 0, y, 0 * y) + log1p(exp(-abs(y)))


def activation(name, y):
    """f, f' and f''."""
    if name == "sigmoid":
        f, g = logistic(y), logistic(-y)
        return f, f * g, (g - f) * f * g
    if name == "tanh":
        f, slope = tanh(y), sech(y) ** 2
        return f, slope, -2 * f * slope
    if name == "softplus":
        slope = logistic(y)
        return softplus(y), slope, slope * logistic(-y)
    if name == "gelu":
        share, density = erfc(-y / gmpy2.sqrt(2)) / 2, exp(-y * y / 2) / gmpy2.sqrt(2 * gmpy2.const_pi())
        return y * share, share + y * density, density * (2 - y * y)
    if name == "relu":
        return np.where(y > 0, y, 0 * y), np.where(y > 0, 0 * y + 1, 0 * y), 0 * y
    if name == "silu":
        f, g = logistic(y), logistic(-y)
        return y * f, f + y * f * g, f * g * (2 + y * (g - f))
    if name == "erf":
        slope = 2 * exp(-y * y) / gmpy2.sqrt(gmpy2.const_pi())
        return erf(y), slope, -2 * y * slope
    if name == "square":
        return y * y, 2 * y, 0 * y + 2
    return y, 0 * y + 1, 0 * y


def length(vector):
    return gmpy2.sqrt((vector * vector).sum())


def frobenius(matrix):
    return gmpy2.sqrt((matrix * matrix).sum())


class Objective:
    """L + alpha |theta|^2 / 2 of a run directory."""

    def __init__(self, run):
        spec = json.loads((run / "manifest.json").read_text())["spec"]
        self.hidden, self.name = spec["hidden"], spec["activation"]
        self.decay = gmpy2.mpfr(spec["work"].get("weight_decay", 0))
        x = exact(np.load(run / "data" / "x.npy"))
        self.h = np.hstack([0 * x[:, :1] + 1, x])
        # l = softplus(sign z), with sign = -1 for class 1.
        self.sign = 1 - 2 * np.load(run / "data" / "q.npy").astype(int)

    def places(self, n):
        """Where the input weights of unit n stand in theta."""
        return n + self.hidden * np.arange(self.h.shape[1])

    def outputs(self, theta):
        w = theta[: self.h.shape[1] * self.hidden].reshape(self.h.shape[1], self.hidden)
        v = theta[w.size :]
        f, slope, bend = activation(self.name, self.h @ w)
        return v, f, slope, bend, self.sign * (v[0] + f @ v[1:])

    def value(self, theta):
        return softplus(self.outputs(theta)[-1]).sum() + self.decay * (theta * theta).sum() / 2

    def at(self, theta):
        """Gradient and Hessian."""
        v, f, slope, bend, z = self.outputs(theta)
        p, other = logistic(z), logistic(-z)
        delta, s = self.sign * p, p * other
        weights = (self.h[:, :, None] * (v[1:] * slope)[:, None, :]).reshape(len(z), -1)
        jacobian = np.hstack([weights, 0 * f[:, :1] + 1, f])
        hessian = jacobian.T @ (s[:, None] * jacobian)
        for n in range(self.hidden):
            places, output = self.places(n), weights.shape[1] + 1 + n
            hessian[np.ix_(places, places)] += self.h.T @ ((delta * v[1 + n] * bend[:, n])[:, None] * self.h)
            mixed = self.h.T @ (delta * slope[:, n])
            hessian[places, output] += mixed
            hessian[output, places] += mixed
        diagonal = np.arange(len(theta))
        hessian[diagonal, diagonal] += self.decay
        return jacobian.T @ delta + self.decay * theta, hessian


def shifted(matrix, shift):
    matrix = matrix.copy()
    diagonal = np.arange(len(matrix))
    matrix[diagonal, diagonal] -= shift
    return matrix


def factorised(matrix, definite=False):
    """D and L of L D L^T; None where the matrix has to be positive definite and is not."""
    rest, factor, found = matrix.copy(), np.zeros_like(matrix), []
    for k in range(len(matrix)):
        pivot = rest[k, k]
        if definite and not pivot > 0:
            return None
        found.append(pivot)
        column = rest[k + 1 :, k] / pivot
        factor[k + 1 :, k] = column
        rest[k + 1 :, k + 1 :] -= column[:, None] * rest[k, k + 1 :]
    return np.array(found), factor


def below(matrix, limit):
    """How many eigenvalues are below the limit."""
    return sum(pivot < 0 for pivot in factorised(shifted(matrix, limit))[0])


def solution(matrix, right, definite=False):
    """The solution x of matrix x = right; None where the matrix has to be positive definite and is not."""
    factors = factorised(matrix, definite)
    if factors is None:
        return None
    found, factor = factors
    x = right.copy()
    for k in range(len(x)):
        x[k + 1 :] -= factor[k + 1 :, k] * x[k]
    x = x / found
    for k in reversed(range(len(x))):
        x[k] -= (factor[k + 1 :, k] * x[k + 1 :]).sum()
    return x
