"""The lessons: what each one runs, its question, and the answer from its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from collector.worker_figures import StartFigures
from lab.learn.programs import INCREMENTS
from report import format as fmt
from report.analyses.slot_lanes import SlotLanes, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a lesson's programs or contenders did, by their names."""

    lanes: Mapping[str, SlotLanes] = field(default_factory=dict)
    #: The numbers that programs found out.
    results: Mapping[str, int] = field(default_factory=dict)
    #: How workers started.
    starts: Mapping[str, StartFigures] = field(default_factory=dict)

    def took_s(self, name: str) -> float:
        """Return from the first job's start to the last one's end, seconds."""
        jobs = self.lanes[name].jobs
        return max(job.end_s for job in jobs) - min(job.begin_s for job in jobs)

    def took(self, name: str) -> str:
        """Return the same as text."""
        return fmt.duration(self.took_s(name))

    def share(self, name: str, *states: State) -> str:
        """Return the share of the jobs' time in some states, as text."""
        return fmt.percent(self.lanes[name].share(*states))

    def times(self, name: str, *, of: str) -> str:
        """Return how often as long one took as another, as text."""
        return fmt.times(self.took_s(name) / self.took_s(of))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A question, what shows the answer, and why it is so."""

    title: str
    #: To be answered before looking.
    question: str
    #: Names in `PROGRAMS`, or else the experiment file.
    programs: tuple[str, ...] = ()
    experiment: str = ""
    #: Function of `os` that its programs need, which some systems lack; empty if none.
    needs: str = ""
    #: Whether the picture is of lanes; otherwise it is the first one of the experiment's page.
    has_lanes: bool = True
    #: Returns whole sentences with the figures of the picture.
    answer: Callable[[Outcome], str]
    #: Paragraphs, with a blank line between them.
    why: str


def _threads(found: Outcome) -> str:
    return (
        f"One thread took {found.took('one-thread')}, two threads {found.took('two-threads')}: "
        f"{found.times('two-threads', of='one-thread')} as long. The two waited "
        f"{found.share('two-threads', State.GIL_WAIT)} of their time for the GIL."
    )


def _processes(found: Outcome) -> str:
    one_core = "two-processes-one-core"
    return (
        f"Two threads took {found.took('two-threads')}, two processes "
        f"{found.took('two-processes')}. On one core, the two processes took "
        f"{found.took(one_core)}: for {found.share(one_core, State.RUNNABLE)} of its time, each of "
        "them could have run, and had no core."
    )


def _asyncio(found: Outcome) -> str:
    waiting, counting = "two-coroutines-waiting", "two-coroutines-counting"
    together_s = sum(job.end_s - job.begin_s for job in found.lanes[waiting].jobs)
    return (
        f"{len(found.lanes[waiting].jobs)} waits, {fmt.duration(together_s)} in all, took "
        f"{found.took(waiting)}. {len(found.lanes[counting].jobs)} counts took "
        f"{found.took(counting)}, one after another."
    )


def _race(found: Outcome) -> str:
    without, with_lock = "counter-without-lock", "counter-with-lock"
    wanted, ended = 2 * INCREMENTS, found.results[without]
    return (
        f"Without a lock, the counter ends at {ended:,} of {wanted:,}: {wanted - ended:,} "
        f"increments are lost. With a lock it ends at {found.results[with_lock]:,}, in "
        f"{found.times(with_lock, of=without)} the time."
    )


def _computing(found: Outcome) -> str:
    text = (
        f"One slot took {found.took('solo')}, four threads {found.took('threads-4')}, "
        f"{found.times('threads-4', of='solo')} as long, and four processes "
        f"{found.took('prefork-4')}, {found.times('prefork-4', of='solo')} as long. The threads' "
        f"jobs waited {found.share('threads-4', State.GIL_WAIT)} of their time for the GIL."
    )
    if "threads-4-nogil" not in found.lanes:
        return text
    return (
        f"{text} Without a GIL, four threads took {found.took('threads-4-nogil')} and waited "
        f"{found.share('threads-4-nogil', State.GIL_WAIT)} for it."
    )


def _waiting(found: Outcome) -> str:
    return (
        f"One slot took {found.took('solo')}, four threads {found.took('threads-4')}, and 32 "
        f"coroutines in one thread {found.took('asyncio-32')}."
    )


def _c_code(found: Outcome) -> str:
    return (
        f"One slot took {found.took('solo')}, two threads {found.took('threads-2')}, two processes "
        f"{found.took('prefork-2')}. The threads waited "
        f"{found.share('threads-2', State.GIL_WAIT)} of their time for the GIL."
    )


def _blocking(found: Outcome) -> str:
    short = [job for job in found.lanes["asyncio-8"].jobs if job.kind == "io.sleep"]
    longest_s = max(job.end_s - job.begin_s for job in short)
    beside_s = max(
        job.end_s - job.begin_s for job in found.lanes["prefork-8"].jobs if job.kind == "io.sleep"
    )
    return (
        f"In the event loop, a wait of 20 ms took up to {fmt.duration(longest_s)}, since the loop "
        f"was blocked for {found.share('asyncio-8', State.BLOCKED)} of the jobs' time. In "
        f"processes, none took more than {fmt.duration(beside_s)}."
    )


def _start(found: Outcome) -> str:
    processes, threads = found.starts["prefork-8"], found.starts["threads-8"]
    return (
        f"Eight processes were all busy after {fmt.duration(processes.all_slots_s)} and take "
        f"{fmt.size(processes.pss_bytes)} of memory; eight threads after "
        f"{fmt.duration(threads.all_slots_s)} and {fmt.size(threads.pss_bytes)}."
    )


#: The lessons by name, in the order of the text.
LESSONS: Mapping[str, Lesson] = {
    "computing": Lesson(
        title="Threads, processes and the GIL",
        question=(
            "32 jobs search for primes in pure Python: in one slot, in four threads, and in four "
            "processes. Which of the three ends first, and by how much?"
        ),
        experiment="experiments/learn/computing.toml",
        answer=_computing,
        why=(
            "An interpreter has one lock, the global interpreter lock (GIL). A thread runs Python "
            "code only while it holds that lock, and gives it away after 5 ms if another thread "
            "wants it. So the threads of a process take turns: wherever one lane is blue, the "
            "others wait. Four of them do the work of one.\n\n"
            "Each process has an interpreter, and a GIL, of its own. Now the number of cores is "
            "the limit: where there are fewer cores than processes, some could run and have none. "
            "A Python that is built without the GIL has threads that compute like processes."
        ),
    ),
    "waiting": Lesson(
        title="Waiting needs no core",
        question=(
            "32 jobs wait for 100 ms each, as for an answer from a network. How long does that "
            "take in one slot, in four threads, and in 32 coroutines that share one thread?"
        ),
        experiment="experiments/learn/waiting.toml",
        answer=_waiting,
        why=(
            "A thread that waits has released the GIL, and needs no core either. So four threads "
            "wait for four things at once. The time is the number of waits divided by the slots.\n"
            "\n"
            "A coroutine is not a thread: at an `await` it lets the others of its thread run. So "
            "one thread waits for many things at once. That is what asyncio and gevent are for."
        ),
    ),
    "c-code": Lesson(
        title="C code may release the GIL",
        question=(
            "32 jobs compute hashes. Python's hash functions are C code, which releases the GIL "
            "while it works. Are two threads as fast as one slot, or as two processes?"
        ),
        experiment="experiments/learn/c-code.toml",
        answer=_c_code,
        why=(
            "The GIL protects Python's objects. C code that doesn't touch them can release it: "
            "hashes, compression, many functions of NumPy and of Pillow. Threads that call it "
            "compute at the same time. Whether *your* jobs do, a recording of them shows."
        ),
    ),
    "blocking": Lesson(
        title="One coroutine that computes stops all others",
        question=(
            "Of 32 jobs, 28 wait for 20 ms and four compute for 150 ms. How long does a wait of "
            "20 ms take in an event loop, in threads and in processes?"
        ),
        experiment="experiments/learn/blocking.toml",
        answer=_blocking,
        why=(
            "An event loop runs one coroutine at a time, until that one reaches an `await`. A "
            "computation, or a library that waits without the loop, has none: nothing else runs "
            "meanwhile, not even a job whose wait is over. Threads at least get the GIL after 5 "
            "ms. Processes don't notice each other."
        ),
    ),
    "processes": Lesson(
        title="Processes share cores",
        question=(
            "Two threads, two processes, and two processes that may use one core only count to a "
            "million ten times each. How long do the three take, compared with each other?"
        ),
        programs=("two-threads", "two-processes", "two-processes-one-core"),
        needs="sched_setaffinity",
        answer=_processes,
        why=(
            "More processes than cores don't compute faster. The kernel lets them take turns, as "
            "the GIL does with threads. A container with one core and Celery's default of a "
            "process for each core of the *machine* looks like the last picture."
        ),
    ),
    "race": Lesson(
        title="Shared memory needs a lock, with and without the GIL",
        question=(
            f"Two threads add one to the same counter, {INCREMENTS:,} times each. At which number "
            "does it end?"
        ),
        programs=("counter-without-lock", "counter-with-lock"),
        answer=_race,
        why=(
            "To add one, a thread reads the number, adds, and writes. Another thread may get the "
            "GIL in between and write many times; then the first one writes its old number plus "
            "one. A lock prevents it and takes time of its own. Processes share no memory: each "
            "would count for itself."
        ),
    ),
    "start": Lesson(
        title="A process costs time and memory before it works",
        question=(
            "A worker with eight processes and one with eight threads start, with an app that "
            "takes 100 MB. Which one is ready first, and how much memory does each take?"
        ),
        experiment="experiments/learn/start.toml",
        has_lanes=False,
        answer=_start,
        why=(
            "Celery forks its processes from one that has loaded the app, so that they share its "
            "memory until one of them writes to it. Python writes to an object whenever it is "
            "used, for its reference count: what is shared shrinks as the processes work. A "
            "thread has none of its own but its stack."
        ),
    ),
    "threads": Lesson(
        title="Two threads, without Celery",
        question=(
            "One thread counts to a million twenty times. Two threads do it ten times each. Which "
            "of the two programs ends first, and by how much?"
        ),
        programs=("one-thread", "two-threads"),
        answer=_threads,
        why=("It is the first lesson in twenty lines of the standard library."),
    ),
    "asyncio": Lesson(
        title="Two coroutines, without Celery",
        question=(
            "Two coroutines wait ten times each, and two others count ten times each. In which of "
            "the two programs does anything happen at the same time?"
        ),
        programs=("two-coroutines-waiting", "two-coroutines-counting"),
        answer=_asyncio,
        why=("The same with `asyncio` alone: they wait together, and compute one at a time."),
    ),
}

#: Those that need no Celery: their programs are of the standard library alone.
PLAIN = tuple(name for name, lesson in LESSONS.items() if lesson.programs)
