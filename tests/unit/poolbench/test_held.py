"""What the recorder's store promises its two threads."""

from __future__ import annotations

import threading

from poolbench.held import Held


def test_what_was_put_is_taken_once_in_order() -> None:
    """A take gives everything since the last one."""
    held = Held(max_bytes=100)
    held.put(b"one ")
    held.put(b"two ")
    assert (held.waiting_bytes, held.take(), held.take()) == (8, b"one two ", b"")


def test_taken_is_not_delivered() -> None:
    """There is room again only when bytes were released, not when they were taken."""
    held = Held(max_bytes=4)
    assert held.wait_for_room(timeout_s=0)
    held.put(b"full")
    held.take()
    assert not held.wait_for_room(timeout_s=0)
    held.release(1)
    assert held.wait_for_room(timeout_s=0)


def test_a_waiter_is_woken_by_bytes_and_by_the_end() -> None:
    """Waiting ends with the first chunk, and at once when no more will come."""
    held = Held(max_bytes=4)
    threading.Timer(0.01, held.put, (b"x",)).start()
    held.wait(timeout_s=30)
    assert held.take() == b"x"
    threading.Timer(0.01, held.end).start()
    held.wait(timeout_s=30)
    assert held.has_ended
