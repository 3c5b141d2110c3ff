"""The form of an error message, which all programs share."""

from __future__ import annotations

import pytest

from poolbench.errors import Fault, nearest


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (
            Fault(
                where="a.toml:3",
                field="slots",
                seen="4",
                problem="solo always has 1 slot",
                remedy="write slots = 1",
            ),
            "a.toml:3: slots = 4 is invalid: solo always has 1 slot. Write slots = 1.",
        ),
        (Fault(field="--rate", problem="poisson arrivals need it"), "--rate is invalid: poisson"),
        (Fault(where="a.toml", problem="invalid TOML", seen="x"), "a.toml: invalid TOML: x."),
        (
            Fault(field="pool", problem="unknown pool", remedy=nearest("sol", among=["solo"])),
            "pool is invalid: unknown pool. Did you mean solo?",
        ),
        (
            Fault(
                problem="unknown", remedy=nearest("brst", among=[], refused={"burst": "no rate"})
            ),
            "unknown. Did you mean burst (no rate)?",
        ),
    ],
)
def test_a_message_names_place_field_value_constraint_and_fix(fault: Fault, text: str) -> None:
    """Constraint and fix are sentences: a capital letter for the fix, one full stop or a ?."""
    assert str(fault).startswith(text)
    assert str(fault)[-2:].count(".") + str(fault).count("?") == 1
