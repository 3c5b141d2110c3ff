"""The messages of a mix: each job from the template of its part, in order of seq."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from poolbench.records import TrialPlan
from producer.template import Template, capture, task_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What the messages of one part of a mix carry."""

    #: Travels in the job's header, so that its record tells.
    name: str
    kind: str
    parameters: Mapping[str, int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Which part each job of a trial is."""

    parts: tuple[Part, ...]
    #: By seq, an index into ``parts``; at least as long as the trial has jobs.
    order: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixTemplate:
    """The templates of a mix's parts, used as `producer.template.Template` is."""

    templates: tuple[Template, ...]
    order: Sequence[int]

    def render(self, due_ns: Sequence[int], *, first_seq: int, sent_ns: int) -> list[bytes]:
        """Return one message for each due time; seqs count up from ``first_seq``."""
        count = len(due_ns)
        parts = self.order[first_seq : first_seq + count]
        of_job = (self.templates[part] for part in parts)
        return [
            template.text % template.in_order((task_id, seq, due, sent_ns))
            for seq, (template, task_id, due) in enumerate(
                zip(of_job, task_ids(count), due_ns, strict=True), first_seq
            )
        ]


def capture_mix(plan: TrialPlan, *, mix: Mix, run: str, queue: str) -> MixTemplate:
    """Return the templates of a trial's messages, each from one that Celery wrote just now.

    Raises:
        StackError: if Celery's message has its ids elsewhere than protocol 2 says.
    """
    templates = [
        capture(
            replace(plan, kind=part.kind, parameters=part.parameters),
            run=run,
            queue=queue,
            part=part.name,
        )
        for part in mix.parts
    ]
    return MixTemplate(templates=tuple(templates), order=mix.order)
