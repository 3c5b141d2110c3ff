"""What the report's page and other pages share: templates, text filters, theme and scripts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from report import format as fmt
from report.charts.render import VARIABLES, figure_json, packed, to_json, vega_script
from report.charts.style import CONFIG
from report.legend import describe_ledger
from report.palette import POOL_SHADES, shade_name
from report.verdicts.naming import label

#: Units that stay on the same line as their number.
_UNITS = ("×", "%", "ms", "µs", "slots", "MB", "GB", "kB")

_TEMPLATES = Path(__file__).parent / "templates"


def frame() -> dict[str, Any]:
    """Return the context of every page's head and scripts."""
    vega, script = vega_script(), _TEMPLATES.joinpath("report.js").read_text(encoding="utf-8")
    return {
        "pool_names": list(POOL_SHADES),
        "light": _variables("light"),
        "dark": _variables("dark"),
        # the page's own legends replace Vega's
        "config": to_json({**CONFIG, "legend": {"disable": True}}),
        "vega": packed(vega),
        "script": script,
        "hashes": [_hash(vega), _hash(script)],
    }


def environment(names: Sequence[str] = ()) -> Environment:
    """Return the environment of the templates; ``names`` are kept on one line in prose."""
    found = Environment(
        loader=PackageLoader("report.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters.update(
        prose=partial(prose, names=names),
        count=fmt.count,
        number=fmt.number,
        duration=fmt.duration,
        size=fmt.size,
        shade_name=shade_name,
        called=partial(label, has_slots=False),
        percent=fmt.percent,
        moment=fmt.moment,
        account=lambda ledger: describe_ledger(ledger)[1],
        counts=asdict,
        figure_json=figure_json,
    )
    return found


def prose(text: str, strong: str = "", *, names: Iterable[str] = ()) -> Markup:
    """Return sentences as HTML: backticks become code, names and numbers with units don't wrap.

    ``strong`` is a sentence among them to print in bold.
    """
    kept = str(escape(text))
    if strong:
        kept = kept.replace(str(escape(strong)), f"<b>{escape(strong)}</b>")
    for name in sorted({str(escape(name)) for name in names if "-" in name}, key=len, reverse=True):
        kept = kept.replace(name, f'<span class="keep">{name}</span>')
    for unit in _UNITS:
        kept = kept.replace(f" {unit}", f"\N{NO-BREAK SPACE}{unit}")
    plain, *parts = kept.split("`")
    rest = [f"<code>{part}</code>" if place % 2 == 0 else part for place, part in enumerate(parts)]
    return Markup("".join([plain, *rest]))  # noqa: S704 -- escaped above


def _hash(script: str) -> str:
    """Return a script's hash in the format of a content security policy."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"


def _variables(scheme: str) -> str:
    return " ".join(f"--{name}: {getattr(shade, scheme)};" for name, shade in VARIABLES.items())
