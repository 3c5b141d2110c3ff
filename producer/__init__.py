"""Sends jobs to a contender's queue, at due times drawn beforehand; never imports worker."""
