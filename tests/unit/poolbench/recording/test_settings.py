"""What the settings of a recording promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolbench.errors import UsageError
from poolbench.recording.settings import (
    DURATION,
    GIL_PROBE,
    LANES,
    MAX_SIZE,
    RECORD,
    load_recording_settings,
    read_duration_s,
    read_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("200MB", 200_000_000), ("1.5 gb", 1_500_000_000), ("10000000", 10_000_000)],
)
def test_a_size_has_a_unit_or_is_bytes(text: str, size_bytes: int) -> None:
    """Units are decimal, as in the reports."""
    assert read_size_bytes(text, "--max-size") == size_bytes


@pytest.mark.parametrize(
    ("text", "duration_s"), [("10m", 600.0), ("1h30m", 5_400.0), ("90", 90.0), ("1.5s", 1.5)]
)
def test_a_time_has_units_or_is_seconds(text: str, duration_s: float) -> None:
    """As the budget of a run."""
    assert read_duration_s(text, "--for") == duration_s


@pytest.mark.parametrize("text", ["", "x", "-1MB", "1MB", "9TB", "10m"])
def test_an_invalid_size_is_refused(text: str) -> None:
    """The message names the option and the bounds."""
    with pytest.raises(UsageError, match=r"--max-size = '.*' is invalid: must be a size from 10MB"):
        read_size_bytes(text, "--max-size")


@pytest.mark.parametrize("text", ["x", "0s", "1000h", "10MB", "m"])
def test_an_invalid_time_is_refused(text: str) -> None:
    """The message names the option and the bounds."""
    with pytest.raises(UsageError, match=r"--for = '.*' is invalid: must be a time from 1s"):
        read_duration_s(text, "--for")


def test_the_environment_alone_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` of the app's, and variables of other uses, change nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{MAX_SIZE}=nonsense\n", encoding="ascii")
    environ = {RECORD: "a.pbrec", DURATION: "10m", "POOLBENCH_REDIS_PORT": "nonsense"}
    settings = load_recording_settings(environ)
    assert (settings.path, settings.for_s, settings.max_size_bytes) == ("a.pbrec", 600.0, 200e6)


def test_all_invalid_variables_are_named() -> None:
    """One message for all of them."""
    environ = {MAX_SIZE: "1", DURATION: "never", GIL_PROBE: "yes", LANES: "2"}
    with pytest.raises(UsageError) as raised:
        load_recording_settings(environ)
    fields = {fault.field for fault in raised.value.faults}
    assert fields == {RECORD, MAX_SIZE, DURATION, GIL_PROBE, LANES}
    assert load_recording_settings({RECORD: "a.pbrec", LANES: "1"}).lanes
