"""Sends jobs to a contender's queue, at due times drawn in advance; never imports worker."""
