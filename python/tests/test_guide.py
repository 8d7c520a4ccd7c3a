"""Every Python block and every command of the guide runs, and so does README.md's part about Python."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import PROJECT

DOCS = PROJECT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """The code blocks of a page: language, text and line."""
    text = page.read_text()
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(block[1], block[2], text.count("\n", 0, block.start(2)) + 1) for block in found]


def run_page(page: Path, chosen: list[tuple[str, str, int]], program: str) -> None:
    """Runs the blocks in the current folder, those in Python in one namespace."""
    environment = {**os.environ, "PATH": f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"}
    names: dict[str, object] = {"__name__": "__main__"}
    for language, text, line in chosen:
        if language == "python":
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), names)
        else:
            assert language == "sh", f"{page.name}, line {line}: {language}"
            done = subprocess.run(["bash", "-ec", text], env=environment, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{page.name}, line {line}:\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_block_of_the_page_runs(page, tmp_path, monkeypatch, program):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figures").mkdir()
    found = blocks(page)
    if any("import torch" in text for _, text, _ in found):
        pytest.importorskip("torch")
    run_page(page, found, program)
    # Figures that the page shows are those that its blocks make.
    shown = re.findall(r"!\[.*?\]\((.*?)\)", page.read_text())
    made = [str(path.relative_to(tmp_path)) for path in sorted((tmp_path / "figures").iterdir())]
    assert sorted(shown) == made
    for name in shown:
        assert (DOCS / name).is_file()
        if os.environ.get("SHARPSWEEP_KEEP_FIGURES") == "1":
            (DOCS / name).write_bytes((tmp_path / name).read_bytes())


def test_every_page_is_listed_and_every_link_leads_somewhere():
    index = (DOCS / "README.md").read_text()
    for page in PAGES:
        assert page.name == "README.md" or f"({page.name})" in index, page.name
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#:]+)\)", page.read_text()):
            assert (DOCS / target).exists(), f"{page.name}: {target}"


def test_the_part_of_the_readme_runs(tmp_path, monkeypatch, program):
    monkeypatch.chdir(tmp_path)
    readme = PROJECT / "README.md"
    assert "pip install ./python" in [text.strip() for language, text, _ in blocks(readme) if language == "sh"]
    ours = [block for block in blocks(readme) if block[0] == "python" and "import sharpsweep" in block[1]]
    assert len(ours) == 1
    run_page(readme, ours, program)


def test_the_readme_of_the_package_runs(tmp_path, monkeypatch, program):
    monkeypatch.chdir(tmp_path)
    readme = PROJECT / "python/README.md"
    found = blocks(readme)
    assert [language for language, _, _ in found] == ["python"]
    run_page(readme, found, program)


def test_the_examples_of_the_docstrings_run():
    import doctest

    import sharpsweep

    for function in (sharpsweep.sweep, sharpsweep.evaluate, sharpsweep.bracket):
        found = doctest.DocTestFinder(recurse=False).find(function, function.__name__, globs={})
        assert sum(len(test.examples) for test in found) > 1
        for test in found:
            assert doctest.DocTestRunner().run(test).failed == 0
