"""What a fault recommends is accepted where it is recommended: advice is taken, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.lab.experiment_file.test_loader import faults_of, load

#: Stands for the word that is wrong, and for a value that the right word may take.
WORD, VALUE = "xyzzy", "VALUE"

#: Values of every type that a key of an experiment takes, as TOML.
VALUES = (
    *("true", "false", "[true, false]", "1", "5.0", "[1, 2]", "[5, 10]", "{}"),
    *('"capacity"', '"rate"', '"one"', '"web"', '["failed_jobs > 0"]', "{ p95_wait_s = 1.0 }"),
    '{ of = "two", setting = "slots", values = [1, 2] }',
    *('"64M"', "[64000000, 65000000]"),
    *('{ how = "poisson", rate_per_s = 5 }', "{ share = 0.1 }", '"6/m"', '"sequence"'),
    *('["mail"]', '["-l", "INFO"]'),
)

BASE = """\
title = "?"
[profile.demo]
repetitions = 2
trial_s = 0.5
contenders = ["one", "two"]
[[contender]]
name = "one"
pool = "solo"
slots = 1
[[contender]]
name = "two"
pool = "threads"
slots = 4
[[workload]]
name = "web"
kind = "io.sleep"
"""

SEARCHED = BASE.replace("[[workload]]", "[slo]\np95_wait_s = 1.0\n[[workload]]")
WATCHED = BASE.replace("slots = 4", "slots = 4\nsettings = { events = true, flower = true }")
MIXED = BASE.replace('kind = "io.sleep"\n', "") + (
    '[[workload.mix]]\nname = "a"\nkind = "io.sleep"\nshare = 1.0\n'
)
TWO_THREADS = BASE.replace('"solo"', '"threads"')
ARRIVALS = 'arrivals = { how = "poisson", rate_per_s = 5 }\n'


def swept(text: str, *, setting: str = WORD, of: str = '"two"', values: str = VALUE) -> str:
    """Return a file with a `[sweep]`."""
    table = f'[sweep]\nof = {of}\nsetting = "{setting}"\nvalues = {values}\n'
    return text.replace("[profile.demo]", f"{table}[profile.demo]")


def failing(condition: str) -> str:
    """Return a file with a threshold."""
    return f'fail_on = ["{condition}"]\n{BASE}'


PLACES = {
    "top": f"{WORD} = {VALUE}\n" + BASE,
    "twin": f'twin = "{WORD}"\n' + BASE,
    "listed": BASE.replace('["one", "two"]', f'["one", "{WORD}"]'),
    "pool of four": BASE.replace('"threads"', f'"{WORD}"'),
    "pool of one": BASE.replace('"solo"', f'"{WORD}"'),
    "pool of a thousand": BASE.replace('"threads"\nslots = 4', f'"{WORD}"\nslots = 1000'),
    "pool of cores": BASE.replace('"threads"\nslots = 4', f'"{WORD}"\nslots = "cores"'),
    "free-threaded pool": BASE.replace(
        '"threads"', f'"{WORD}"\ninterpreter = "free-threaded"'
    ),
    "contender key": BASE.replace("slots = 4", f"slots = 4\n{WORD} = {VALUE}")
    .replace("slots = 1", 'slots = 1\nqueues = ["mail"]') + 'queue = "mail"\n',
    "setting": BASE.replace("slots = 4", f"slots = 4\nsettings = {{ {WORD} = {VALUE} }}"),
    "another setting": WATCHED.replace("flower", f"{WORD} = {VALUE}, flower"),
    "workload key": BASE + f"{WORD} = {VALUE}\n",
    "workload key of a capacity": BASE + f'measure = "capacity"\n{WORD} = {VALUE}\n',
    "workload key of arrivals": BASE + ARRIVALS + f"{WORD} = {VALUE}\n",
    "workload key of a mix": MIXED.replace("[[workload]]", f"[[workload]]\n{WORD} = {VALUE}"),
    "part key": MIXED + f"{WORD} = {VALUE}\n",
    "kind": BASE.replace('"io.sleep"', f'"{WORD}"'),
    "kind of a part": MIXED.replace('"io.sleep"', f'"{WORD}"'),
    "parameter": BASE + f"parameters = {{ {WORD} = {VALUE} }}\n",
    "parameter beside units": BASE.replace('"io.sleep"', '"mixed.share"')
    + f"parameters = {{ units = 5, {WORD} = {VALUE} }}\n",
    "parameter beside a time": BASE.replace('"io.sleep"', '"mixed.share"')
    + f"parameters = {{ total_ms = 50, {WORD} = {VALUE} }}\n",
    "measure": BASE + f'measure = "{WORD}"\n',
    "measure with an SLO": SEARCHED + f'measure = "{WORD}"\n',
    "measure of arrivals": BASE + ARRIVALS + f'measure = "{WORD}"\n',
    "how": BASE + ARRIVALS.replace("poisson", WORD),
    "how of steps": BASE + f'arrivals = {{ how = "{WORD}", rates_per_s = [5, 9] }}\n',
    "how of a search": SEARCHED + f'measure = "curve"\narrivals = {{ how = "{WORD}" }}\n',
    "arrivals key": BASE + ARRIVALS.replace("rate_per_s", f"{WORD} = {VALUE}, rate_per_s"),
    "arrivals key of a ramp": BASE + f'arrivals = {{ how = "ramp", {WORD} = {VALUE}, '
    "to_rate_per_s = 5 }\n",
    "bound": SEARCHED.replace("[slo]", f"[slo]\n{WORD} = {VALUE}") + ARRIVALS,
    "bound of a workload": BASE + ARRIVALS + f"slo = {{ {WORD} = {VALUE} }}\n",
    "swept": swept(BASE),
    "swept of solo": swept(BASE, of='["one", "two"]'),
    "swept under a Flower": swept(WATCHED),
    "swept at a rate": swept(BASE + ARRIVALS),
    "base of slots": swept(BASE, setting="slots", of=f'"{WORD}"', values="[1, 2]"),
    "base beside another": swept(
        TWO_THREADS, setting="slots", of=f'["two", "{WORD}"]', values="[1, 2]"
    ),
    "figure": failing(f"{WORD} > 1"),
    "figure of a ratio": failing(f"{WORD} > 1 * one"),
    "end of a ratio": failing(f"two: cpu.{WORD} > 1 * one"),
    "row": failing(f"{WORD}: failed_jobs > 0"),
    "contender of a ratio": failing(f"two: cpu > 1 * {WORD}"),
}  # fmt: skip


def advised(faults: list[str]) -> list[str]:
    """Return the words that the fault of the wrong one recommends."""
    found = [
        re.search(rf"{WORD}.*\. (?:Use one of|Did you mean) ([^?]+)[.?]$", one) for one in faults
    ]
    (words,) = [one[1].split(", ") for one in found if one]
    return words


def with_word(text: str, word: str) -> Iterator[str]:
    """Yield the file with the word that was recommended, at each value that it may take."""
    for value in VALUES if VALUE in text else ("",):
        yield text.replace(WORD, word).replace(VALUE, value)


def is_accepted(folder: Path, text: str) -> bool:
    """Return whether a file has no fault at all."""
    try:
        load(folder, text)
    except Exception:  # noqa: BLE001 -- a fault, or a key that TOML has twice
        return False
    return True


@pytest.mark.parametrize("place", PLACES)
def test_what_a_fault_recommends_is_accepted_there(tmp_path: Path, place: str) -> None:
    """Each word that is named for a wrong one makes a file without a fault."""
    text = PLACES[place]
    words = advised(faults_of(tmp_path, text.replace(VALUE, "[true, false]")))

    refused = [
        word
        for word in words
        if not any(is_accepted(tmp_path, one) for one in with_word(text, word))
    ]

    assert words
    assert refused == []


NEEDING_MORE = [
    ("slots = 4", "slots = 4\nsettings = { time_limit = 3 }", "Use one of acks_late, events, "),
    ("slots = 4", "slots = 4\nsettings = { slot = 2 }", "slots (write it next to pool"),
    ("slots = 4", "slots = 4\nacks_lat = true", "acks_late (write it in settings"),
    ('"threads"', '"sol"', "Did you mean solo (solo always has 1 slot: write slots = 1)?"),
    ('"web"', '"web"\nmeasure = "curv"', "Did you mean curve (curve needs an SLO: write [slo]"),
    ('"web"', '"web"\nmeasure = "rat"', "Did you mean rate (a rate needs it: write {"),
    ('"web"', '"web"\narrivals = { how = "brst" }', "burst (a burst has no rate: leave arri"),
    ('"io.sleep"', '"io.sleep"\nmx = "a"', "Did you mean mix (a workload has a kind, or a mix)?"),
    ("[[contender]]", "[[contendr]]", "unknown key. Did you mean contender?"),
    ("[profile", "[profil.x]\na = 1\n[profile", "unknown key. Did you mean profile?"),
    (
        "[profile",
        '[sweep]\nof = "one"\nsetting = "slot"\nvalues = [1, 2]\n[profile',
        "Did you mean slots (solo always has 1 slot)?",
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), NEEDING_MORE)
def test_a_word_that_needs_more_is_recommended_with_it(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    """Who is told a word alone would write it, and be refused again."""
    faults = faults_of(tmp_path, BASE.replace(old, new, 1))

    assert any(words in fault for fault in faults), faults


@pytest.mark.parametrize("slots", ['"many"', '""', "true", "false", "1.0", "2.5", "[]"])
def test_slots_are_refused_once_and_as_their_pool_takes_them(tmp_path: Path, slots: str) -> None:
    """`cores` is for pools that can have more than one."""
    (solo,) = faults_of(tmp_path, BASE.replace("slots = 1", f"slots = {slots}"))
    (threads,) = faults_of(tmp_path, BASE.replace("slots = 4", f"slots = {slots}"))

    assert solo.endswith("solo always has 1 slot. Write slots = 1.")
    assert threads.endswith(
        'takes 1 to 10000 slots. Write a whole number, "cores", "unset" or "auto".'
    )
