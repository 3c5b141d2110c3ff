"""Unit tests of `lab/run`."""
