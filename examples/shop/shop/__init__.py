"""A small shop: the app of docs/your-app.md. Its tasks wait, compute, retry and send mail."""

from shop.celery import app

__all__ = ["app"]
