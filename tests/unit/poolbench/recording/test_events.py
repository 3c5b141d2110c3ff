"""The messages between the probe of a recorded worker and its recorder."""

from __future__ import annotations

import os

import pytest

from poolbench.recording.events import (
    MESSAGE_MAX_BYTES,
    RECEIVED,
    STARTED,
    Received,
    Started,
    pack,
    unpack,
)

STARTED_EVENT = Started(2**64 - 1, 5, 7, 140_000_000_000_000, 9, False, True, None)

UNKNOWN = (None,) * (len(Received._fields) - 4)


@pytest.fixture(scope="module")
def stream() -> bytes:
    """A line, an event and a line."""
    return pack(b"one\n") + pack(STARTED, *STARTED_EVENT) + pack(b"two\n")


def test_lines_and_events_keep_their_order(stream: bytes) -> None:
    """What one process has written is read in the order in which it was written."""
    assert unpack(stream) == ([b"one\n", STARTED_EVENT, b"two\n"], b"")


def test_a_message_may_arrive_in_two_parts(stream: bytes) -> None:
    """Wherever a read ends, the rest is the beginning of the next one."""
    for end in range(len(stream)):
        first, rest = unpack(stream[:end])
        second, left = unpack(rest + stream[end:])
        assert (first + second, left) == ([b"one\n", STARTED_EVENT, b"two\n"], b"")


@pytest.mark.parametrize("text", ["x" * 5_000, "\ud800" * 3_000, "中" * 3_000])
def test_a_message_fits_into_one_write(text: str) -> None:
    """A longer one could be divided by those of other processes."""
    message = pack(RECEIVED, 1, 2, text, text, *UNKNOWN)
    assert len(message) <= MESSAGE_MAX_BYTES
    ((found,), rest) = unpack(message)
    assert isinstance(found, Received)
    assert (found.kind, rest) == (text[:80], b"")


def test_values_that_no_message_holds_are_left_out_of_a_long_one() -> None:
    """A publisher may set any header."""
    ((found,), _) = unpack(pack(RECEIVED, 1, 2, "a", ["x" * 5_000], *UNKNOWN))
    assert isinstance(found, Received)
    assert found.job_id is None


def test_an_unknown_type_is_refused() -> None:
    """Its handler logs that, once."""
    with pytest.raises(ValueError, match="marshal"):
        pack(RECEIVED, os)
