"""The delaying proxy's arithmetic, and the addresses that lead through it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.fixtures.delay_proxy import DelayLine
from lab.fixtures.proxies import through
from poolbench.errors import StackError

MOMENTS = st.lists(st.floats(min_value=0, max_value=100), max_size=30).map(sorted)


def test_a_chunk_is_held_for_the_whole_delay() -> None:
    """Not a moment less, and no longer."""
    line = DelayLine(delay_s=0.5)
    line.put(b"answer", now_s=10.0)

    assert line.due_s == 10.5
    assert line.take(now_s=10.499) == b""
    assert line.take(now_s=10.5) == b"answer"
    assert line.due_s is None


def test_a_pipeline_takes_one_delay() -> None:
    """A thousand answers that came together leave together."""
    line = DelayLine(delay_s=0.5)
    for _ in range(1_000):
        line.put(b"+OK\r\n", now_s=1.0)

    assert line.take(now_s=1.5) == b"+OK\r\n" * 1_000
    assert not line


@given(moments=MOMENTS, delay_s=st.floats(min_value=0, max_value=10))
def test_order_and_content_are_kept(moments: list[float], delay_s: float) -> None:
    """Whatever came when: each chunk leaves once, in order, and none before its time."""
    line = DelayLine(delay_s=delay_s)
    for index, moment in enumerate(moments):
        line.put(b"%d," % index, now_s=moment)
    taken = b""

    for moment in moments:
        taken += line.take(now_s=moment + delay_s)
        assert len(taken.split(b",")) - 1 >= sum(one <= moment for one in moments) - len(line)

    assert taken == b"".join(b"%d," % index for index in range(len(moments)))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://:s@far:6379/3", "redis://:s@127.0.0.1:7/3"),
        ("redis://far/0", "redis://127.0.0.1:7/0"),
        ("redis://u:p%40w@10.0.0.1:1/0?a=b", "redis://u:p%40w@127.0.0.1:7/0?a=b"),
    ],
)
def test_the_way_through_keeps_login_and_database(url: str, found: str) -> None:
    """Only the place changes."""
    assert through(url, port=7) == found


def test_an_encrypted_broker_is_refused() -> None:
    """The proxy has no certificate of the server's, and the message shows no password."""
    with pytest.raises(StackError, match="rediss://") as caught:
        through("rediss://:secret@far:1/0", port=7)

    assert "secret" not in str(caught.value)
