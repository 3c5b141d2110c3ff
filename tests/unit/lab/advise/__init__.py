"""Tests of `lab.advise`."""
