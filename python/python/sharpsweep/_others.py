"""What is not a sweep: resume, merge, brackets of a matrix, adapters, and the check of a card."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from . import _native, _options
from ._progress import Progress, Watch, notice
from ._run import Run
from ._sweep import Backend, Route, engine

__all__ = ["Bracket", "adapters", "bracket", "check", "merge", "resume"]


def resume(
    path: str | os.PathLike[str],
    *,
    seeds: int | tuple[int, int] | range | str | None = None,
    max_steps: int | None = None,
    backend: Backend | None = None,
    adapter: int | str | None = None,
    route: Route = "auto",
    dispatch_ms: int = 50,
    memory: int = 256,
    progress: bool | Progress | None = None,
) -> Run:
    """Go on with a run in a directory that was interrupted, or extend a finished sweep.

    The rows that were finished are kept, and the others computed on the engine that the run was begun with: the columns
    end up byte for byte as without the interruption. A finished run is left as it is.

    Parameters
    ----------
    path
        The directory of one run. The runs of a grid are named one by one.
    seeds, max_steps
        Extend the finished sweep to these seeds, and train the networks that stopped at the step limit up to so many
        steps in all. The result is byte for byte the sweep that was asked for it from the start.
    backend, adapter, route
        By default those that the run was begun with.
    dispatch_ms, memory, progress
        As in `sweep`.

    Raises
    ------
    sharpsweep.Error
        If the run cannot be continued or extended; the message says why and what to do.
    """
    options = engine(backend, adapter, route, dispatch_ms, memory)
    more = None if seeds is None else _options.seeds(seeds)
    steps = None if max_steps is None else _options.count("max_steps", max_steps, 32)
    with Watch(progress) as watch:
        place = os.fspath(path)
        return Run._of(_native.resume(place, more, steps, options, watch.callback, notice), place)


def merge(
    paths: Iterable[str | os.PathLike[str]], out: str | os.PathLike[str], *, allow_mixed_engines: bool = False
) -> Run | dict[str, Run]:
    """Join the shards of a sweep, or sweeps over neighbouring seeds, into one run.

    The columns come out byte for byte as those of the sweep in one piece. The result appears whole or not at all.

    Parameters
    ----------
    paths
        The directories, in any order. Together they must hold every seed once, and all must be finished.
    out
        The directory for the joined run; it must not hold anything yet.
    allow_mixed_engines
        Join even what different engines, drivers, routes or versions computed.

    Returns
    -------
    Run
        The joined run; of grids a dictionary of runs by name.

    Raises
    ------
    sharpsweep.Error
        If the parts do not fit each other; the message says which and why.
    """
    if isinstance(paths, (str, os.PathLike)):
        raise ValueError("paths is one path: pass a list of the shards' directories")
    place = os.fspath(out)
    _native.merge([os.fspath(path) for path in paths], place, bool(allow_mixed_engines))
    if _native.Directory.is_grid(place):
        grid = json.loads((Path(place) / "grid.json").read_text())
        return {run["name"]: Run(Path(place) / run["name"]) for run in grid["runs"]}
    return Run(place)


class Bracket(NamedTuple):
    """Bounds of the extreme eigenvalues of a symmetric matrix, which hold as they stand, rounding included."""

    lower: float
    """lambda_1 >= this."""
    upper: float
    """lambda_1 <= this."""
    min_lower: float
    """lambda_D >= this."""
    min_upper: float
    """lambda_D <= this."""
    width: float
    """(`upper` - `lower`) / |`upper`|."""
    by: int
    """Ten times what gives `upper`, plus what gives `lower`: 1 two moments, 2 four, 3 eight, 4 a Rayleigh quotient
    (above with Temple's inequality), 5 a diagonal element, 6 Gershgorin's discs, 8 an eigenvalue with proven error."""


def bracket(matrix: Any, brackets: Literal["four", "eight"] | float = "four") -> Bracket:
    """Two numbers that provably hold the largest eigenvalue of a symmetric matrix, and two that hold the smallest.

    From tr A^3 and tr A^4 (one product of D x D matrices), the diagonal, Gershgorin's discs and two Rayleigh quotients
    with Temple's inequality; with `"eight"` also from tr A^6 to tr A^8 (three products). All in float64, widened by a
    derived bound of the rounding. The matrix is taken as exact. Sources: Wolkowicz and Styan 1980; Temple 1928; Rump
    2006 for the proof of eigenvalues.

    Parameters
    ----------
    matrix
        (D, D), exactly symmetric.
    brackets
        `"four"`, `"eight"`, or a width relative to the upper bound: where moments leave a wider bracket, eigenvalues
        are computed and their error is proven.

    Raises
    ------
    ValueError
        If the matrix is not square, not finite or not symmetric; the message names the element.

    Examples
    --------
    >>> import numpy as np, sharpsweep as ss
    >>> found = ss.bracket(np.diag([1.0, 2.0, 4.0]), 1e-9)
    >>> found.lower <= 4.0 <= found.upper, found.min_lower <= 1.0 <= found.min_upper
    (True, True)
    """
    given = _options.array("matrix", matrix)
    if given.ndim != 2:
        raise ValueError(f"the matrix has the shape {given.shape}: it must be square and not empty")
    asked = _options.brackets(brackets)
    if asked is None:
        raise ValueError("brackets is False: give four, eight or a width")
    ends, width, by = _native.bracket(given, asked)
    return Bracket(*ends, width, by)


def adapters() -> list[dict[str, Any]]:
    """The graphics adapters of this machine, in the order of the numbers that `adapter` takes.

    Returns
    -------
    list of dict
        Each with `index`, `name`, `id`, `backend`, `kind`, `driver`, `hardware` and limits; empty where there is none.
    """
    found: list[dict[str, Any]] = json.loads(_native.adapters()[0])
    return found


def check(adapter: int | str | None = None, *, progress: bool | Progress | None = None) -> dict[str, Any]:
    """Whether a graphics adapter computes what it should, and how fast it is.

    Every pass is compared with float64 on the processor, and results with golden values from automatic differentiation;
    then training, closed forms and eigenvalues are timed. It takes seconds on a card, minutes at most.

    Parameters
    ----------
    adapter
        Its number in `adapters()`, or a part of its name or id. By default the first; where there is none, the CPU
        engine is checked.
    progress
        As in `sweep`.

    Returns
    -------
    dict
        `holds`, whether every comparison holds and nothing failed; `off`, the names of those that do not; and what
        `sharpsweep check --json` prints.
    """
    with Watch(progress) as watch:
        text, off = _native.check(_options.adapter(adapter), watch.callback, notice)
    found: dict[str, Any] = json.loads(text)
    return {"holds": not off and not found["failures"], "off": off, **found}
