"""Unit tests of `lab/commands`."""
