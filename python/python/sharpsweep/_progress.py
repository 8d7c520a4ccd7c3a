"""Progress while the native module works."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

Progress = Callable[[int, int], Any]

logger = logging.getLogger("sharpsweep")


class Watch:
    """Shows progress as it was asked for: by a bar, where tqdm is there, by a callable, or not at all."""

    def __init__(self, asked: bool | Progress | None) -> None:
        if asked is not None and not isinstance(asked, bool) and not callable(asked):
            raise ValueError(f"progress is {asked!r}: it must be True, False, or a callable of done and total")
        self._call: Progress | None = asked if callable(asked) else None
        self._bar_class: Any = None if callable(asked) or asked is False else _bar_class()
        if asked is True and self._bar_class is None:
            raise ValueError("progress=True needs tqdm: pip install tqdm, or pass a callable of done and total")
        self._always = asked is True
        self._bar: Any = None
        self._what = ""

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def callback(self) -> Callable[[str, int, int], None] | None:
        """What the native module calls; `None` if nobody watches."""
        return None if self._call is None and self._bar_class is None else self._at

    def _at(self, what: str, done: int, total: int) -> None:
        if self._call is not None:
            self._call(done, total)
            return
        if self._bar is None or what != self._what:
            if self._bar is not None:
                self._bar.close()
            self._what = what
            # On a file instead of a terminal there is no bar, unless it is asked for; in a notebook there is.
            hidden = False if self._always or _is_notebook(self._bar_class) else None
            self._bar = self._bar_class(total=total or None, unit=f" {what}", disable=hidden, leave=False)
        self._bar.n = done
        self._bar.refresh()


def _bar_class() -> Any:
    try:
        with warnings.catch_warnings():
            # Without ipywidgets a notebook gets a plain bar.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def _is_notebook(bar_class: Any) -> bool:
    return any("notebook" in base.__module__ for base in bar_class.__mro__)


def notice(text: str, advises: bool) -> None:
    """Puts what the native module says into the log `sharpsweep`: advice as a warning, the rest as information."""
    logger.log(logging.WARNING if advises else logging.INFO, text)


def is_advice_heard() -> bool:
    """Whether anybody hears advice, some of which takes seconds to find."""
    return logger.isEnabledFor(logging.WARNING)
