"""Unit tests of `poolbench/asyncio_pool`."""
