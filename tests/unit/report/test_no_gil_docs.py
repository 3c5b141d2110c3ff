"""What the page on free-threading promises is what code and Makefile do."""

from __future__ import annotations

from lab.experiment.interpreter import FREE_THREADED, FREE_THREADED_PYTHON, REMEDY
from lab.system.paths import ROOT

PAGE = (ROOT / "docs" / "free-threading.md").read_text(encoding="utf-8")


def test_the_page_has_the_commands_that_a_run_prints() -> None:
    """Whoever reads of a skipped contender finds the same words there."""
    for command in REMEDY.removeprefix("get one: ").split(", then "):
        assert command in PAGE


def test_the_page_names_what_the_code_looks_for() -> None:
    """The word, the place, the variable and the pins."""
    assert f'interpreter = "{FREE_THREADED}"' in PAGE
    assert str(FREE_THREADED_PYTHON) in PAGE
    assert "POOLBENCH_FREE_THREADED" in PAGE
    assert (ROOT / "requirements" / "free-threaded.txt").exists()


def test_make_builds_where_the_lab_looks() -> None:
    """One place, in the Makefile, in the code and among what git leaves alone."""
    folder = FREE_THREADED_PYTHON.parts[0]

    assert f"FREE   := {folder}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"{folder}/\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")
