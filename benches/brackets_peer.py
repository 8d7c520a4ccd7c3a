#!/usr/bin/env python3
"""Confirms in 51 digits that the brackets of a run hold the extreme eigenvalues.

    pip install gmpy2 numpy
    sharpsweep sweep --seeds 1000 --brackets --out runs/brackets
    python benches/brackets_peer.py runs/brackets [--rows 200]

The rows are those with the narrowest brackets of lambda_1, relative to their upper end. Eigenvalues are counted at each
end of both brackets, of the Hessian at the recorded weights, which a run keeps in float32: none may be above
bracket_upper or below bracket_min_lower, one at least at or above bracket_lower, and one at or below bracket_min_upper.
Last, the brackets are moved inwards by their own width, which has to be noticed in every row where that is above 0.
"""
import argparse
import pathlib
import sys

import gmpy2
import numpy as np

from fifty_digits import Objective, below, exact

COLUMNS = ("bracket_lower", "bracket_upper", "bracket_min_lower", "bracket_min_upper")


def misses(hessian, bracket):
    """The ends of a row's brackets that do not hold."""
    lower, upper, min_lower, min_upper = bracket
    size = len(hessian)
    held = (below(hessian, lower) < size, below(-hessian, -upper) == 0, below(hessian, min_lower) == 0,
            below(-hessian, -min_upper) < size)
    return [name for name, holds in zip(COLUMNS, held) if not holds]


def confirm(run, rows):
    """How many rows of a run are not confirmed."""
    theta = np.load(run / "theta.npy", mmap_mode="r")
    brackets = np.stack([np.load(run / f"{name}.npy") for name in COLUMNS], axis=1)
    width = np.load(run / "bracket_width.npy")
    known = np.flatnonzero(np.isfinite(brackets).all(axis=1) & np.isfinite(theta).all(axis=1))
    chosen = known[np.argsort(width[known], kind="stable")][:rows]
    objective, wrong, noticed, wide = Objective(run), 0, 0, 0
    for row in chosen:
        _, hessian = objective.at(exact(theta[row]))
        lower, upper, min_lower, min_upper = exact(brackets[row])
        found = misses(hessian, (lower, upper, min_lower, min_upper))
        if found:
            wrong += 1
            print(f"{run}, row {row}: {', '.join(found)} does not hold", flush=True)
        moved, min_moved = upper - lower, min_upper - min_lower
        if moved > 0 and min_moved > 0:
            wide += 1
            inwards = (lower + moved, upper - moved, min_lower + min_moved, min_upper - min_moved)
            noticed += len(misses(hessian, inwards)) == len(COLUMNS)
    if len(chosen):
        widths = f"widths {width[chosen[0]]:.1e} to {width[chosen[-1]]:.1e}"
        print(f"{run}: {len(chosen) - wrong} of {len(chosen)} rows confirmed ({widths}); moved inwards by their width, "
              f"{noticed} of {wide} are noticed; {len(theta) - len(known)} rows without bracket or weights")
    return wrong + wide - noticed


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("runs", nargs="+", type=pathlib.Path)
parser.add_argument("--rows", type=int, default=200, help="the most rows of each run")
arguments = parser.parse_args()
sys.exit(sum(confirm(run, arguments.rows) for run in arguments.runs) > 0)
