"""The base of both kinds of stack: their parts, and a start that is undone if it fails."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab.stack.health import Status
from lab.stack.preflight import check_start
from lab.stack.services import Notify, stack_services
from poolbench.settings import Settings


@dataclass(kw_only=True)
class Stack(abc.ABC):
    """The services of one checkout."""

    #: Name of the kind, as `up` prints it.
    title: ClassVar[str]

    #: The checkout.
    root: Path
    #: Settings, with absolute folders.
    settings: Settings
    #: Environment of the commands that start services, and of local services.
    environment: Mapping[str, str]
    notify: Notify

    def __post_init__(self) -> None:
        """Set the services from the settings."""
        self.services = stack_services(self.settings)

    def up(self, *, started_with: Mapping[str, str]) -> bool:
        """Start what is down, wait until all is healthy, and return whether the stack was up.

        Args:
            started_with: settings to save, without secrets.

        Raises:
            StackError: if something can't be started; a stack that was down is down again.
        """
        was_up = self.is_up()
        if not was_up:
            self._prepare()
            check_start(self.settings, notify=self.notify)
        try:
            self._start(started_with)
        except BaseException:
            if not was_up:
                self.notify("stopping what was started")
                self.down()
            raise
        return was_up

    @abc.abstractmethod
    def is_up(self) -> bool:
        """Return whether the stack runs, as a whole or in part."""

    @abc.abstractmethod
    def calibrate(self) -> None:
        """Measure the cost of a unit of work where the workers run, and store it in the broker.

        Raises:
            StackError: if that fails.
        """

    @abc.abstractmethod
    def down(self) -> None:
        """Stop everything; keep results and the broker's data. Does nothing when down."""

    @abc.abstractmethod
    def statuses(self) -> list[Status]:
        """Return each service's status, in the order of the services."""

    @abc.abstractmethod
    def read_logs(
        self, names: Sequence[str], *, lines: int, is_following: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield service and line: the last lines of each log, then the lines that are added."""

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Run the checks and the cleanup of this kind of stack before a start."""

    @abc.abstractmethod
    def _start(self, started_with: Mapping[str, str]) -> None:
        """Save the state, start the services that are down, and wait until all are healthy."""
