"""Django's settings of the shop; names with CELERY_ are Celery's."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "only for an example on loopback"  # noqa: S105
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "shop.sqlite3",
        "OPTIONS": {"timeout": 20, "init_command": "PRAGMA journal_mode=WAL"},
    }
}

EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = BASE_DIR / "sent-mail"

#: The service that knows what products cost today.
SUPPLIER_URL = os.environ.get("SHOP_SUPPLIER_URL", "http://127.0.0.1:8395")

CELERY_BROKER_URL = "redis://:shop@127.0.0.1:6395/0"
CELERY_RESULT_BACKEND = "redis://:shop@127.0.0.1:6395/0"
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"shop.send_mail": {"queue": "mail"}}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
