"""The paper's experiment: its runs, its tables and its figures."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from . import _native, _options
from ._progress import Progress, Watch, notice
from ._run import Run
from ._sweep import Backend, Route, engine

if TYPE_CHECKING:
    import pandas

__all__ = ["Reproduction", "Table", "reproduce"]


class Table:
    """A table of a report. In a notebook it is drawn as one.

    Attributes
    ----------
    title, note
        What it shows, and how to read it; the note may be empty.
    header
        The names of the columns.
    rows
        The cells of each row, texts as the report has them.
    holds
        For each row whether its claim holds, or `None` if it makes none.
    """

    def __init__(self, found: dict) -> None:
        self._found = found
        self.title = _native.marked(found["title"])[0]
        self.note = _native.marked(found["note"])[0]
        self.header = [_native.marked(cell)[0] for cell in found["header"]]
        self.rows = [[_native.marked(cell)[0] for cell in row["cells"]] for row in found["rows"]]
        self.holds: list[bool | None] = [row["holds"] for row in found["rows"]]

    def to_pandas(self) -> pandas.DataFrame:
        """A `pandas.DataFrame` of the texts, with the first column as its index."""
        import pandas

        return pandas.DataFrame(self.rows, columns=self.header).set_index(self.header[0])

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.header))]
        text = [self.title]
        text += ["  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*text, self.note] if self.note else text)

    def _repr_html_(self) -> str:
        def cells(tag: str, row: list[str]) -> str:
            return "".join(f'<{tag} style="text-align: left">{_native.marked(cell)[1]}</{tag}>' for cell in row)

        head = f"<thead><tr>{cells('th', self._found['header'])}</tr></thead>"
        body = "".join(f"<tr>{cells('td', row['cells'])}</tr>" for row in self._found["rows"])
        title, note = (_native.marked(self._found[part])[1] for part in ("title", "note"))
        return f"<div><b>{title}</b></div><table>{head}<tbody>{body}</tbody></table><div>{note}</div>"


class Reproduction:
    """What `reproduce`, or `sharpsweep reproduce`, left in a directory.

    Parameters
    ----------
    path
        The directory.

    Attributes
    ----------
    path
        The directory.
    page
        The report with tables and figures: one HTML file that needs nothing else.
    tables
        The published numbers against those found here, and a row for each draw of the data.
    runs
        The run of each data seed and width: `runs[0, 10]`.
    figures
        The SVG file of each figure, by names such as `"figure-02"`. Beside it are a PNG of the same name, and a folder
        with its numbers.

    Raises
    ------
    sharpsweep.Error
        If no reproduction is there that was finished.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.page = self.path / "report.html"
        file = self.path / "tables.json"
        try:
            self.tables = [Table(table) for table in json.loads(file.read_text(encoding="utf-8"))]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _native.Error(
                f"{self.path} is no finished reproduction: {file.name} cannot be read: {error}"
            ) from error
        self.figures = {file.stem: file for file in sorted((self.path / "figures").glob("*.svg"))}
        places = (
            (re.fullmatch(r"data-seed-(\d+)/n(\d+)", place.relative_to(self.path).as_posix()), place)
            for place in self.path.glob("data-seed-*/n*")
        )
        found = {(int(name[1]), int(name[2])): place for name, place in places if name}
        self.runs = {key: Run(found[key]) for key in sorted(found)}

    def __repr__(self) -> str:
        return "\n\n".join([*map(repr, self.tables), self._left()])

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self.tables) + f"<div>{html.escape(self._left())}</div>"

    def _left(self) -> str:
        return f"{len(self.runs)} runs and {len(self.figures)} figures in {self.path}, the report in {self.page}"


def reproduce(
    *,
    seeds: int | tuple[int, int] | range | str = 500,
    data_seeds: int | tuple[int, int] | range | str = 8,
    out: str | os.PathLike[str] = "runs/reproduce",
    backend: Backend = "auto",
    adapter: int | str | None = None,
    route: Route = "auto",
    dispatch_ms: int = 50,
    memory: int = 256,
    progress: bool | Progress | None = None,
) -> Reproduction:
    """Run the paper's experiment and set every published number and figure beside what is found here.

    N = 3 and N = 10 on several draws of the data (the paper's draw is not published), duplicates by the paper's rule,
    spectra and tests; a table of published numbers against the spread of the draws; figures 2 to 13 as SVG and PNG with
    their numbers; and one HTML page. Files and bytes are those of `sharpsweep reproduce`. Source: Omae et al. 2026,
    arXiv 2604.10202.

    Parameters
    ----------
    seeds
        How many seeds, from 0, or a range `(first, end)` without the end, for each width and draw.
    data_seeds
        How many draws of the data, from 0, or a range `(first, end)` without the end. The figures show the first.
    out
        The directory to write to; it must not hold anything yet.
    backend, adapter, route, dispatch_ms, memory
        As in `sweep`.
    progress
        A callable of what is done and of all, of one part of the work after another; `True` for a bar by tqdm, `False`
        for none. By default a bar, if tqdm is installed and there is a terminal or a notebook.

    Returns
    -------
    Reproduction
        The tables, the runs and where the page and the figures are.

    Raises
    ------
    ValueError
        If an argument cannot be used.
    sharpsweep.Error
        If the work cannot be done: something is in `out`, no such adapter, no room, a device that fails.
    KeyboardInterrupt
        Within two seconds of Ctrl-C. The runs that are finished stay; a reproduction starts again elsewhere.
    """
    options = engine(backend, adapter, route, dispatch_ms, memory)
    place = os.fspath(out)
    with Watch(progress) as watch:
        asked = (_options.seeds(seeds), _options.seeds(data_seeds, "data_seeds"))
        _native.reproduce(*asked, place, options, watch.callback, notice)
    return Reproduction(place)
