"""Errors of a user's app as one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.userapp.failure import shortened


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("SHOP_URL"), "KeyError: 'SHOP_URL'"),
        (ValueError("\n first\nsecond"), "ValueError: first"),
        (RuntimeError(), "RuntimeError"),
        (OSError("no 'amqp://u:p@host//', sorry"), "OSError: no '(address)', sorry"),
    ],
)
def test_an_error_is_its_type_and_first_line(error: Exception, line: str) -> None:
    """Without the text of an address, and without a place if the app's code didn't raise it."""
    assert shortened(error) == line


@given(st.text(st.characters(categories=["L", "N", "P"])))
def test_no_password_of_an_address_is_in_the_line(before: str) -> None:
    """Whatever precedes the address in the error's text."""
    assert "secret" not in shortened(OSError(f"{before} redis://:secret@prod.invalid/0"))
