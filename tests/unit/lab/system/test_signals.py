"""Signals are delayed while an operation must not be interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from lab.system.signals import ENDING, interrupt_on_signals, uninterrupted


@pytest.fixture
def delivered() -> Iterator[list[int]]:
    """The signals that reached the handlers of a command, in order."""
    numbers: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        numbers.append(number)

    before = {number: signal.signal(number, hear) for number in ENDING}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_waits_until_the_body_is_done(
    delivered: list[int], number: signal.Signals
) -> None:
    """However often it came, it is delivered once, to the handler that was set before."""
    with uninterrupted():
        for _ in range(3):
            signal.raise_signal(number)
        assert delivered == []
    assert delivered == [number]

    with uninterrupted():
        pass
    signal.raise_signal(signal.SIGTERM)
    assert delivered == [number, signal.SIGTERM]


def test_a_fault_in_the_body_comes_first(delivered: list[int]) -> None:
    """The handlers are back when the body fails, and the signal is delivered."""

    def fail() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("body")

    with pytest.raises(ValueError, match="body"):
        fail()

    assert delivered == [signal.SIGINT]


@pytest.mark.usefixtures("delivered")
def test_the_first_signal_interrupts_and_the_next_are_ignored() -> None:
    """A second Ctrl-C doesn't interrupt the end of the workers."""
    announced: list[str] = []
    interrupt_on_signals(lambda: announced.append("stopping"))

    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    for number in ENDING:
        signal.raise_signal(number)

    assert announced == ["stopping"]
