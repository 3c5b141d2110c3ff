"""Student's t distribution. scipy is loaded at the first call, so other commands start faster."""

from __future__ import annotations


def cdf(value: float, *, freedom: float) -> float:
    """Return the probability of at most ``value``; ``freedom`` is the degrees of freedom."""
    # scipy.stats.t calls this function; importing scipy.stats takes longer than a report's figures
    from scipy.special import stdtr  # noqa: PLC0415 -- see above

    return float(stdtr(freedom, value))


def quantile(probability: float, *, freedom: float) -> float:
    """Return the value that is not exceeded with this probability."""
    from scipy.special import stdtrit  # noqa: PLC0415 -- see above

    return float(stdtrit(freedom, probability))


def noncentrality(probability: float, *, freedom: float, value: float) -> float:
    """Return the noncentrality at which t is at most ``value`` with this probability."""
    from scipy.special import nctdtrinc  # noqa: PLC0415 -- see above

    return float(nctdtrinc(freedom, probability, value))
