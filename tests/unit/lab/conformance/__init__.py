"""Unit tests of `lab/conformance`."""
