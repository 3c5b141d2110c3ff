"""What the recorder's store promises its two threads."""

from __future__ import annotations

import threading

from poolbench.buffer import Buffer


def test_what_was_put_is_taken_once_in_order() -> None:
    """A take gives everything since the last one."""
    buffer = Buffer(max_bytes=100)
    buffer.put(b"one ")
    buffer.put(b"two ")
    assert (buffer.take(), buffer.take()) == (b"one two ", b"")


def test_taken_is_not_delivered() -> None:
    """There is room again only when bytes were released, not when they were taken."""
    buffer = Buffer(max_bytes=4)
    assert buffer.wait_for_room(timeout_s=0)
    buffer.put(b"full")
    buffer.take()
    assert not buffer.wait_for_room(timeout_s=0)
    buffer.release(1)
    assert buffer.wait_for_room(timeout_s=0)


def test_a_waiter_is_woken_by_bytes_and_by_the_end() -> None:
    """Waiting ends with the first chunk, and at once when no more will come."""
    buffer = Buffer(max_bytes=4)
    threading.Timer(0.01, buffer.put, (b"x",)).start()
    buffer.wait(timeout_s=30)
    assert buffer.take() == b"x"
    threading.Timer(0.01, buffer.end).start()
    buffer.wait(timeout_s=30)
    assert buffer.has_ended
