"""The README's picture: a run's first screen as a PNG."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from report.build import write_reports
from tests.e2e.test_report_page import find_chromium
from tests.synthetic import WORKLOADS, make_run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

_REPOSITORY = Path(__file__).parents[2]


def test_a_run_becomes_a_picture(tmp_path: Path) -> None:
    """`docs/picture.py RUN_FOLDER FILE.png` leaves a PNG with something drawn in it."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    write_reports(folder.path)
    picture = tmp_path / "page.png"

    subprocess.run(
        [sys.executable, "docs/picture.py", str(folder.path), str(picture)],
        cwd=_REPOSITORY,
        env={**os.environ, "CHROMIUM": find_chromium()},
        check=True,
        timeout=90,
    )

    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.stat().st_size > 10_000
