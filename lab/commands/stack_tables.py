"""The tables of the stack commands."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from lab.stack.health import Status
from lab.stack.services import Service
from lab.stack.stack import Stack

_STATE_STYLES = {"running": "green", "failed": "bold red", "stopped": "dim"}


def uptime_text(uptime_s: float | None) -> str:
    """Return a duration as text: ``12 s``, ``4 min``, ``3 h 20 min``, ``2 d 5 h``."""
    if uptime_s is None:
        return ""
    minutes, seconds = divmod(int(uptime_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def status_table(services: Iterable[Service], *, statuses: Iterable[Status]) -> Table:
    """Return the table of `poolbench ps`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("service", "state", "pid", "uptime", "address", "health"):
        table.add_column(heading, justify="right" if heading in {"pid", "uptime"} else "left")
    for service, status in zip(services, statuses, strict=True):
        table.add_row(
            status.name,
            Text(status.state, style=_STATE_STYLES.get(status.state, "yellow")),
            "" if status.pid is None else str(status.pid),
            uptime_text(status.uptime_s),
            service.address,
            Text("healthy", style="green")
            if status.is_healthy
            else Text(status.problem or "–", style="red" if status.problem else "dim"),
        )
    return table


def welcome(stack: Stack) -> Group:
    """Return what `poolbench up` prints: services, addresses and the login."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("service", "address", "purpose"):
        table.add_column(heading)
    for service in stack.services:
        address = service.address
        if service.contender:
            count = stack.settings.slots[service.contender]
            address = f"{count} slot{'' if count == 1 else 's'}"
        table.add_row(service.name, address, Text(service.summary, style="dim"))
    user, _, password = stack.settings.flower_basic_auth.partition(":")
    rows = Table(box=None, pad_edge=False, show_header=False)
    rows.add_column(style="bold")
    rows.add_column(overflow="fold")
    url = f"http://127.0.0.1:{stack.settings.flower_port}"
    rows.add_row("up", Text(stack.title, style="bold green"))
    rows.add_row("Flower", Text(url, style=f"cyan link {url}"))
    rows.add_row("", Text.assemble(("user ", "dim"), user, ("  password ", "dim"), password))
    rows.add_row(
        "broker", Text.assemble(stack.settings.redis_address, ("  password in .env", "dim"))
    )
    return Group(table, Text(), rows)
