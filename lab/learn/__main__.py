"""`python -m lab.learn`: asks questions about threads, processes and coroutines, and shows why."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from collector.files import make_folder, write_whole
from lab.learn.document import write_document
from lab.learn.lessons import LESSONS
from lab.learn.programs import PROGRAMS
from lab.learn.stage import Stage
from lab.learn.teach import run_lesson
from lab.system import environment
from lab.system.signals import interrupt_on_signals
from poolbench.errors import ExitCode, PoolbenchError
from poolbench.settings import load_settings
from report.charts.render import to_image
from report.charts.slots import finding
from report.page.lesson_page import LessonShown, build_lesson_page


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lessons that are named, or all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab.learn", description=__doc__)
    names = ", ".join(LESSONS)
    parser.add_argument("lesson", nargs="*", help=f"{names}; all of them by default")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Write the page here.")
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="Write one lesson's picture: .svg or .png."
    )
    parser.add_argument(
        "--docs", type=Path, metavar="FOLDER", help="Write the lessons as learn.md, with pictures."
    )
    # a program runs in a process of its own, which is this module again
    parser.add_argument("--record", nargs=2, metavar=("PROGRAM", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.record:
        return _record(*given.record)
    if wrong := [one for one in given.lesson if one not in LESSONS]:
        parser.error(f"there is no lesson {wrong[0]}: use {names}")
    if given.chart and (len(given.lesson) != 1 or given.chart.suffix not in {".svg", ".png"}):
        parser.error("--chart needs one lesson, and a file that ends in .svg or .png")
    for path in filter(None, (given.output, given.chart)):
        if not path.parent.is_dir():
            parser.error(f"there is no folder {path.parent}")
    possible = _possible(given.lesson or list(LESSONS))
    if not possible:
        return ExitCode.USAGE
    interrupt_on_signals(lambda: None)
    try:
        shown = _teach(possible)
        _write(shown, output=given.output, picture=given.chart, docs=given.docs)
    except PoolbenchError as error:
        sys.stderr.write(f"poolbench: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _possible(names: Sequence[str]) -> list[str]:
    """Return the lessons that this system can run; print a line for each other one."""
    lacking = {
        name: needs for name in names if (needs := LESSONS[name].needs) and not hasattr(os, needs)
    }
    for name, needs in lacking.items():
        sys.stderr.write(f"skipped {name}: this system lacks os.{needs}\n")
    return [name for name in names if name not in lacking]


def _teach(names: Sequence[str]) -> dict[str, LessonShown]:
    """Run lessons, and print each question and its answer; return them by name."""
    console, shown = Console(), {}
    for name in names:
        lesson = LESSONS[name]
        console.print(f"\n[bold]{lesson.title}[/]\n{lesson.question}", highlight=False)
        found, chart = run_lesson(name, lesson, console=console)
        for one in found.lanes.values():
            console.print(f"  {one.name}: {finding(one)}", style="dim", highlight=False)
        answer = lesson.answer(found)
        console.print(answer, highlight=False)
        shown[name] = LessonShown(
            title=lesson.title,
            question=lesson.question,
            chart=chart,
            answer=answer,
            why=lesson.why,
        )
    return shown


def _write(
    shown: dict[str, LessonShown], *, output: Path | None, picture: Path | None, docs: Path | None
) -> None:
    machine = environment.describe_machine()
    if docs is not None:
        write_document(docs, shown=shown, machine=machine)
    if picture is not None:
        image = to_image(next(iter(shown.values())).chart, suffix=picture.suffix)
        write_whole(picture, image)
    page = output
    if page is None:
        make_folder(load_settings().results_dir)
        page = load_settings().results_dir / "learn.html"
    text = build_lesson_page(list(shown.values()), machine=machine)
    write_whole(page, text)
    Console().print(f"\npage  [link={page.resolve().as_uri()}]{page}[/link]", highlight=False)


def _record(program: str, path: str) -> int:
    with Stage(Path(path), has_coroutines="coroutines" in program) as stage:
        PROGRAMS[program](stage)
    sys.stdout.write(json.dumps(stage.result))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
