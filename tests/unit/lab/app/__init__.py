"""Tests of lab.app."""
