"""Unit tests of `worker/pools`."""
