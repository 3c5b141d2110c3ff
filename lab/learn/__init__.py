"""Threads, processes, coroutines and the GIL without Celery, drawn as lanes."""
