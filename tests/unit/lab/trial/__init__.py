"""Unit tests of `lab/trial`."""
