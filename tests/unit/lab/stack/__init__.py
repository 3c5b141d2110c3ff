"""Unit tests of `lab/stack`."""
