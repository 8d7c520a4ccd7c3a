"""Populations of small neural networks and the sharpness of their minima, as NumPy columns.

`sweep` trains networks from many random seeds at once, on the GPU through Vulkan, Metal or DX12, or on the CPU, and
bounds the largest eigenvalue lambda_1 of the loss Hessian of each in closed form. `evaluate` does so for networks that
were trained elsewhere. Both give a `Run`: a mapping of columns.

By default the networks have one hidden layer and two classes, z = V h(f(W h(x))) with h(x) = [1; x], and the
cross-entropy loss is summed over the I samples; `hidden` takes up to nine layers, `loss` several outputs and other
losses. Compared with those of the mean loss, which `reduction="mean"` takes, lambda and the traces are I times as
large, `trace_sq` and `gradient_sq` I^2 times, and a learning rate lr is the step size lr / I.

The bound and its closed forms: Omae et al. 2026, arXiv 2604.10202.

Sentences such as which engine was taken go to the log `sharpsweep`, and advice goes there as warnings, for instance on
inputs that training does badly with: `logging.getLogger("sharpsweep")` shows or hides them. Nothing else is printed.

After a fork, a process cannot use what its parent had opened: start processes by spawn.
"""

import os as _os

# Outside a user session Mesa's device-selection layer complains on stderr that it has no display; there is none to ask.
if "XDG_RUNTIME_DIR" not in _os.environ:
    _os.environ.setdefault("NODEVICE_SELECT", "1")

from ._native import Error, __version__
from ._others import Bracket, adapters, bracket, check, merge, resume
from ._reproduce import Reproduction, Table, reproduce
from ._run import Run
from ._sweep import evaluate, sweep

__all__ = [
    "Bracket",
    "Error",
    "Reproduction",
    "Run",
    "Table",
    "__version__",
    "adapters",
    "bracket",
    "check",
    "evaluate",
    "merge",
    "reproduce",
    "resume",
    "sweep",
]

Error.__module__ = "sharpsweep"
