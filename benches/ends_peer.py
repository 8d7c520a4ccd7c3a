#!/usr/bin/env python3
"""Confirms in 51 digits what a run with --polish says of the ends of its descents.

    pip install gmpy2 numpy
    sharpsweep sweep --seeds 200 --weight-decay 1e-3 --polish --out runs/ends
    python benches/ends_peer.py runs/ends [--rows 200]

Index and nullity are counted again at the recorded weights. At a minimum or a saddle, Newton's method has to arrive
within 1e-8 (1 + |theta|) of them, and index and nullity have to be the same there. From a valley, damped Newton steps
go on downhill, each to a lower objective, until |g| is below 1e-20 (1 + ||H||_F) and twenty steps more have lengthened
theta each time and made |g| a thousandth at most; or until theta is a thousand times as long as it was recorded. Where
they arrive at a critical point instead, the row is not confirmed. Rows without an end (not written, weights not kept,
unfinished, left the radius) are passed over and counted.
"""
import argparse
import itertools
import pathlib
import sys

import gmpy2
import numpy as np

from fifty_digits import EPSILON, Objective, below, exact, frobenius, length, shifted, solution

TAU, NEAR = gmpy2.mpfr("1e-9"), gmpy2.mpfr("1e-8")
ARRIVED, SMALL, FALL, FAR = (gmpy2.mpfr(part) for part in ("1e-30", "1e-20", "1e-3", "1e3"))
NAMES = ("minimum", "saddle", "valley")
VALLEY = NAMES.index("valley")
# The most steps down a valley, and those over which theta has to grow and |g| has to fall.
STEPS, MORE = 10000, 20


def counted(hessian):
    """Index and nullity by tau."""
    tau = TAU * frobenius(hessian)
    index = below(hessian, -tau)
    return index, below(hessian, tau) - index


def arrival(objective, theta):
    """Where Newton's method leads, and the Hessian there; None if it does not arrive."""
    for _ in range(30):
        gradient, hessian = objective.at(theta)
        step = solution(hessian, -gradient)
        theta = theta + step
        if length(step) < ARRIVED * (1 + length(theta)):
            return theta, objective.at(theta)[1]
    return None


def downhill(objective, theta):
    """|theta|, |g| and ||H||_F after each damped Newton step; ends where no step goes down."""
    value, damping = objective.value(theta), 0 * theta[0]
    gradient, hessian = objective.at(theta)
    while True:
        norm = frobenius(hessian)
        least, longest = norm * EPSILON, 1 + length(theta)
        while True:
            step = solution(shifted(hessian, -damping), -gradient, definite=True)
            if step is not None:
                size, lower = length(step), objective.value(theta + step)
                if size < ARRIVED * longest:
                    return
                if size <= longest and lower < value:
                    break
            damping = max(10 * damping, least)
        theta, value = theta + step, lower
        damping = damping / 100 if damping > least else 0 * damping
        gradient, hessian = objective.at(theta)
        yield length(theta), length(gradient), frobenius(hessian)


def of_valley(objective, start):
    """What speaks against a valley; None if nothing does."""
    path = []
    for size, slope, norm in itertools.islice(downhill(objective, start), STEPS):
        path.append((size, slope, norm))
        if size > FAR * (1 + length(start)):
            return None
        if len(path) > MORE:
            last = path[-1 - MORE :]
            _, first, norm = last[0]
            grows = all(before[0] < after[0] for before, after in itertools.pairwise(last))
            if grows and first <= SMALL * (1 + norm) and slope <= FALL * first:
                return None
    if len(path) == STEPS:
        return f"after {STEPS} steps |g| is {float(slope):.1e} and |theta| is {float(size):.1e}"
    return "the descent arrives at a critical point"


def of_critical_point(objective, start, counts):
    """What speaks against a critical point with this index and nullity; None if nothing does."""
    found = arrival(objective, start)
    if found is None:
        return "Newton's method does not arrive"
    theta, hessian = found
    if length(theta - start) > NEAR * (1 + length(start)):
        return f"the critical point is {float(length(theta - start)):.1e} away"
    return None if counted(hessian) == counts else f"index and nullity are {counted(hessian)} at the critical point"


def doubt(objective, recorded, end, counts):
    """What speaks against a row; None if nothing does."""
    start = exact(recorded)
    here = counted(objective.at(start)[1])
    if here != counts:
        return f"index and nullity are {here} at theta_polished, not {counts}"
    return of_valley(objective, start) if end == VALLEY else of_critical_point(objective, start, counts)


def confirm(run, rows):
    """How many rows of a run are confirmed, and how many are not."""
    names = ("theta_polished", "end", "polish_index", "polish_nullity", "status")
    theta, ends, index, nullity, status = (np.load(run / f"{name}.npy") for name in names)
    known = (status != 255) & np.isfinite(theta).all(axis=1) & (ends <= VALLEY)
    chosen = np.flatnonzero(known)[:rows]
    passed = len(chosen) and np.count_nonzero(~known[: chosen[-1] + 1])
    objective, wrong = Objective(run), 0
    for row in chosen:
        found = doubt(objective, theta[row], ends[row], (int(index[row]), int(nullity[row])))
        if found:
            wrong += 1
            print(f"{run}, row {row}, {NAMES[ends[row]]}: {found}", flush=True)
    each = ", ".join(f"{name} {np.count_nonzero(ends[chosen] == end)}" for end, name in enumerate(NAMES))
    print(f"{run}: {len(chosen) - wrong} of {len(chosen)} rows confirmed ({each}), {passed} without an end passed over")
    return wrong


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("runs", nargs="+", type=pathlib.Path)
parser.add_argument("--rows", type=int, default=200, help="the most rows of each run")
arguments = parser.parse_args()
sys.exit(sum(confirm(run, arguments.rows) for run in arguments.runs) > 0)
