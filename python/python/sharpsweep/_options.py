"""What a call is asked for, in the form that the native module takes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import _native

# The largest number of a seed, so that a count or an end is at most one more.
_SEEDS = 2**64


def seeds(value: Any, name: str = "seeds") -> str:
    """`value` as the command line writes it: a count, a range `(first, end)` or `range(first, end)`, or its text."""
    if isinstance(value, str):
        return value
    if isinstance(value, range):
        if value.step != 1:
            raise ValueError(f"{name} is {value!r}: a range of seeds has the step 1")
        return f"{value.start}..{value.stop}"
    if isinstance(value, tuple) and len(value) == 2:
        return f"{_integer(name, value[0])}..{_integer(name, value[1])}"
    return str(_integer(name, value))


def shard(value: Any) -> str | None:
    """Part k of n, from 1: `(k, n)` or `"k/n"`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return f"{_integer('shard', value[0])}/{_integer('shard', value[1])}"
    raise ValueError(
        f"shard is {value!r}: give (K, N) with K from 1 to N, such as (2, 8) for the second of eight parts"
    )


def spectrum(value: Any) -> str | None:
    """Which eigenvalues: `True`, a number, a word, or several of these."""
    if value is None or value is False:
        return None
    if value is True:
        return "values"
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        words = [word if isinstance(word, str) else str(_integer("spectrum", word)) for word in value]
        return ",".join(words)
    return str(_integer("spectrum", value))


def brackets(value: Any) -> str | None:
    """How much work goes into brackets: `True`, `"four"`, `"eight"` or a width."""
    if value is None or value is False:
        return None
    if value is True:
        return "four"
    return value if isinstance(value, str) else repr(real("brackets", value))


def polish(value: Any) -> str | None:
    """How networks are polished: `True`, `"descend"` or `"nearest"`."""
    if value is None or value is False:
        return None
    return "descend" if value is True else word("polish", value)


def word(name: str, value: Any) -> str:
    """A word that the native module knows."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}: it must be a word")
    return value


def optional_word(name: str, value: Any) -> str | None:
    """A word, or nothing."""
    return None if value is None else word(name, value)


def hidden_layers(name: str, value: Any) -> str | None:
    """Widths of hidden layers as the command line writes them: one, a sequence of them, or their text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0:
        return "x".join(str(_integer(name, width)) for width in value) or "none"
    return str(_integer(name, value))


def adapter(value: Any) -> str | None:
    """The number of a graphics adapter, or a part of its name or id."""
    return value if value is None or isinstance(value, str) else str(_integer("adapter", value))


def count(name: str, value: Any, bits: int) -> int:
    """A whole number that is not negative and fits so many bits."""
    number = _integer(name, value)
    if number >= 1 << bits:
        raise ValueError(f"{name} is {number}: it must be below {1 << bits}")
    return number


def real(name: str, value: Any) -> float:
    """One number. Lists, which make a grid on the command line, are a loop in Python."""
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0:
        raise ValueError(f"{name} is a list: call sweep once for each value, in a loop")
    try:
        if isinstance(value, (bool, str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}: it must be a number") from None


def _integer(name: str, value: Any) -> int:
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0:
        raise ValueError(f"{name} is a list: call sweep once for each value, in a loop")
    try:
        if isinstance(value, bool):
            raise TypeError
        number = value.__index__()
    except (AttributeError, TypeError):
        raise ValueError(f"{name} is {value!r}: it must be a whole number") from None
    if not 0 <= number <= _SEEDS:
        raise ValueError(f"{name} is {number}: it must not be negative or beyond 2^64")
    return int(number)


def path(value: Any) -> str | None:
    """A path, if `value` is one."""
    return os.fspath(value) if isinstance(value, (str, os.PathLike)) else None


def array(name: str, value: Any, *, labels: bool = False) -> Any:
    """`value` as an array of numbers: NumPy's of any number type and order, frames, tensors on the processor, lists.

    Values of another type are refused with the expression that mends them.
    """
    found = _as_array(name, value)
    if found.dtype.kind not in "biuf":
        _native.check_type(name, "q" if labels else name, labels, found.dtype.str)
        raise ValueError(f"{name}: the array's type {found.dtype} is not one of numbers")
    return np.require(found, np.float64, ["C", "A"])


def networks(value: Any) -> Any:
    """`value` as an array (S, D) of float32 where it is float32 or shorter, else of float64; one network is a row."""
    found = _as_array("theta", value)
    if found.dtype.kind not in "biuf":
        _native.check_type("theta", "theta", False, found.dtype.str)
        raise ValueError(f"theta: the array's type {found.dtype} is not one of numbers")
    narrow = found.dtype.kind == "f" and found.dtype.itemsize <= 4
    return np.require(np.atleast_2d(found), np.float32 if narrow else np.float64, ["C", "A"])


def _as_array(name: str, value: Any) -> Any:
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        # A tensor that training has its eye on gives no array.
        value = value.detach()
        if value.device.type != "cpu":
            raise ValueError(f"{name} is a tensor on {value.device}: pass {name}.cpu()")
    try:
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise ValueError(f"{name} is no array of numbers: {error}") from error
