"""How a person names a run: id, folder, kept summary, latest; and what is read there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from collector.store import RunFolder
from lab.commands.run_lookup import find_run, read_summary
from poolbench.errors import StorageError, UsageError
from report.result import to_json
from report.summary import summarize
from tests.pairs import CONTENDERS, SLEEP
from tests.synthetic import edit_manifest, make_run

RUN, LATER = "20260101-120000-aaaa", "20260301-090000-bbbb"


def make(path: Path) -> RunFolder:
    """Make a run of one repetition."""
    return make_run(path, blocks=1, contenders=CONTENDERS, workloads=[SLEEP])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with two runs, something else and the link to a run that is gone."""
    make(tmp_path / RUN)
    make(tmp_path / LATER)
    (tmp_path / "zzz-no-run").mkdir()
    (tmp_path / "20260101-120000-aaab").symlink_to(tmp_path / "gone")
    return tmp_path


def fault_of(word: str, *, results: Path) -> str:
    """Return what is said of a word that names no run."""
    with pytest.raises(UsageError) as caught:
        find_run(word, results_dir=results, argument="A")
    return str(caught.value)


def test_a_run_is_named_by_id_path_or_latest(results: Path) -> None:
    """A folder or a file anywhere; `latest` ignores folders without a manifest."""
    folder, file = results / RUN, results / "main.json"
    file.write_text("{}")

    assert find_run(RUN, results_dir=results) == folder
    assert find_run(str(folder), results_dir=Path("elsewhere")) == folder
    assert find_run(str(file), results_dir=results) == file
    assert find_run("latest", results_dir=results).name == LATER
    # where records are needed a summary is neither taken nor recommended
    for word in (str(file), "???"):
        with pytest.raises(UsageError) as caught:
            find_run(word, results_dir=results, needs_folder=True)
        assert str(caught.value).endswith(". Name a run's id, its folder, or latest.")


def test_latest_is_not_the_last_in_the_alphabet(results: Path) -> None:
    """A run may have a name of its own: what counts is when it was made."""
    edit_manifest(make(results / "zoo"), created_ns=1)
    new = make(results / "ant")
    edit_manifest(new, created_ns=2**62)
    (results / LATER / "manifest.json").write_text("{", encoding="utf-8")

    assert find_run("latest", results_dir=results) == new.path


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (f"{RUN[:-1]}c", f"Did you mean {RUN}?"),
        # a link to what is gone, which is not recommended either
        (f"{RUN[:-1]}b", f"Did you mean {RUN}?"),
        # not the whole list of runs, which may be long
        ("???", "Name a run's id, its folder, a summary.json, or latest"),
        # nothing, or what no system takes for a path, is not the folder of all runs
        ("", 'A = "" is'),
        ("x" * 5_000, "xxx is"),
        (f"{RUN}/manifest.json/x", "manifest.json/x is"),
    ],
)
def test_a_word_that_names_no_run_is_refused(results: Path, word: str, said: str) -> None:
    """With the nearest name, or with what names a run."""
    found = fault_of(word, results=results)

    assert " is invalid: there is no such run. " in found
    assert said in found


def test_a_run_that_can_not_be_reached_says_why(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched, since nothing is forbidden to root."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)

    said = fault_of(RUN, results=results)

    assert said.startswith(f"A = {RUN} is invalid: can't be read (Permission denied). ")
    assert "Did you mean" not in said


@pytest.mark.parametrize("word", ["latest", RUN])
def test_without_any_run_it_says_what_makes_one(tmp_path: Path, word: str) -> None:
    """An empty folder, or none."""
    for place in (tmp_path, tmp_path / "absent"):
        said = fault_of(word, results=place)
        assert said.endswith(f"there is no run in {place}. Make one with `poolbench run`.")


def test_a_folder_is_measured_anew_while_it_has_records(results: Path) -> None:
    """Then its summary.json counts: a CI system keeps that of a run, without the large files."""
    folder = make(results / RUN)
    kept = folder.path / "summary.json"
    kept.write_text("{}")
    summary = read_summary(folder.path)
    assert summary == summarize(folder)

    kept.write_text(to_json(summary), encoding="utf-8")
    folder.jobs_path.unlink()
    folder.samples_path.unlink()
    assert read_summary(folder.path) == summary


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    """No manifest and no summary."""
    with pytest.raises(StorageError, match=r"manifest\.json: no such file"):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"format": 1, "run": "r1", "rows": []}', "format = 1 is invalid"),
        ('{"format": 3, "rows": 7}', "format = 3 is invalid"),
        ('{"format": 2, "run": 7}', "run is invalid"),
        ("{", "its text is invalid"),
        ("[]", "its text is invalid"),
    ],
)
def test_a_summary_that_cannot_be_read_is_one_line(tmp_path: Path, text: str, fault: str) -> None:
    """Both formats are named; there is no way but to name the run."""
    path = tmp_path / "summary.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(StorageError) as caught:
        read_summary(path)

    said = str(caught.value)
    assert said.startswith(f"{path}: {fault}: this version reads summaries of format 2. ")
    assert "\n" not in said
