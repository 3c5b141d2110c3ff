"""Student's t distribution. scipy is loaded at the first figure: no other command waits for it."""

from __future__ import annotations


def cdf(value: float, *, freedom: float) -> float:
    """Return the probability of at most ``value`` at so many degrees of freedom."""
    # what scipy.stats.t calls; importing scipy.stats takes longer than a report's figures
    from scipy.special import stdtr  # noqa: PLC0415 -- see above

    return float(stdtr(freedom, value))


def quantile(probability: float, *, freedom: float) -> float:
    """Return the value that is not exceeded with a probability."""
    from scipy.special import stdtrit  # noqa: PLC0415 -- see above

    return float(stdtrit(freedom, probability))


def noncentrality(probability: float, *, freedom: float, value: float) -> float:
    """Return the shift δ at which a noncentral t exceeds ``value`` but for a probability."""
    from scipy.special import nctdtrinc  # noqa: PLC0415 -- see above

    return float(nctdtrinc(freedom, probability, value))
