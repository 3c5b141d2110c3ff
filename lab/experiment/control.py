"""Adds an A/A control: one contender is measured twice, and any difference of the two is noise."""

from __future__ import annotations

from dataclasses import replace

from collector.run_manifest import Contender
from lab.experiment.model import Experiment
from poolbench.keys import NAME_LENGTH

#: Suffix of the A/A control's name; no other contender may have it.
CONTROL_SUFFIX = "-twin"


def with_control(experiment: Experiment) -> Experiment:
    """Return the experiment with an A/A control, if it has enough blocks for a claim.

    The control repeats `Experiment.controlled`, or the first contender if the profile doesn't have
    that one. It has the same code, slots and backlog, so that any difference is noise.
    """
    if not experiment.makes_claims:
        return experiment
    named = [one for one in experiment.contenders if one.name == experiment.controlled]
    original = next(iter([*named, *experiment.contenders]))
    control = replace(
        original,
        name=control_name(original.name),
        twin_of=original.name,
        note=f"{original.name} once more, for the noise",
    )
    contenders: list[Contender] = []
    for one in experiment.contenders:
        contenders += [one, control] if one is original else [one]
    return replace(experiment, contenders=tuple(contenders))


def control_name(name: str) -> str:
    """Return the name of a contender's A/A control, of at most `NAME_LENGTH` characters."""
    return name[: NAME_LENGTH - len(CONTROL_SUFFIX)] + CONTROL_SUFFIX
