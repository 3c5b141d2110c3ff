"""Measures one contender a second time, under another name: what the two differ by is noise."""

from __future__ import annotations

from dataclasses import replace

from collector.run_manifest import Contender
from lab.experiment.model import Experiment
from poolbench.keys import NAME_LENGTH

#: Ends the name of a contender that is measured a second time; no other may have such a name.
TWIN_SUFFIX = "-twin"


def with_twin(experiment: Experiment) -> Experiment:
    """Return the experiment with a twin beside one contender, if it is to make claims.

    It is the contender that the file names under ``twin``; where this profile or this machine
    doesn't have it, or none is named, the first of the profile. The same code, the same slots, the
    same backlog: a run that can tell the two apart has told noise for a difference.
    """
    if not experiment.makes_claims:
        return experiment
    named = [one for one in experiment.contenders if one.name == experiment.twin]
    original = next(iter([*named, *experiment.contenders]))
    twin = replace(
        original,
        name=twin_name(original.name),
        twin_of=original.name,
        note=f"{original.name} once more, for the noise",
    )
    contenders: list[Contender] = []
    for one in experiment.contenders:
        contenders += [one, twin] if one is original else [one]
    return replace(experiment, contenders=tuple(contenders))


def twin_name(name: str) -> str:
    """Return the twin's name, cut to what a name may be long."""
    return name[: NAME_LENGTH - len(TWIN_SUFFIX)] + TWIN_SUFFIX
