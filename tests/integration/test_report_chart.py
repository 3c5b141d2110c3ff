"""A chart of a run, written as an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolbench.errors import UsageError
from report.build import write_chart
from tests.synthetic import WORKLOADS, make_run


def test_a_chart_is_written_as_an_image(tmp_path: Path) -> None:
    """By the name of the page's chart, or as the one of its first screen; no report is made.

    An unknown one is refused with all names.
    """
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    lead, latency, none = (tmp_path / name for name in ("lead.svg", "latency.png", "none.svg"))

    write_chart(folder.path, name="lead", output=lead)
    write_chart(folder.path, name="latency-cpu.primes", output=latency)
    with pytest.raises(UsageError, match=r"Use one of .*throughput-cpu\.primes") as caught:
        write_chart(folder.path, name="througput-cpu.primes", output=none)

    assert "How many times the throughput of solo?" in lead.read_text(encoding="utf-8")
    assert latency.read_bytes().startswith(b"\x89PNG")
    assert not (folder.path / "report.html").exists()
    assert "lead, advantage, throughput-cpu.primes, latency-cpu.primes" in str(caught.value)
    assert not none.exists()
