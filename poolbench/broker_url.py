"""Converts the broker address of a Celery app into one for the Redis client. Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_CLIENT_OPTIONS = ("ssl_", "db")


def client_address(broker_url: object) -> str | None:
    """Return the address of the first broker for `redis.Redis.from_url`; None if it isn't Redis.

    Celery accepts a list of addresses, or several separated by ``;``. kombu writes sockets as
    ``redis+socket://`` and certificates as ``CERT_NONE``, and has options that redis-py lacks.
    """
    first = broker_url[0] if isinstance(broker_url, list | tuple) and broker_url else broker_url
    if not isinstance(first, str):
        return None
    parts = urlsplit(first.split(";", 1)[0])
    options = {
        name: value.removeprefix("CERT_").lower() if name == "ssl_cert_reqs" else value
        for name, value in parse_qsl(parts.query)
    }
    known = {name: value for name, value in options.items() if name.startswith(_CLIENT_OPTIONS)}
    if parts.scheme in {"redis", "rediss"}:
        return urlunsplit(parts._replace(query=urlencode(known)))
    if parts.scheme == "redis+socket":
        known.setdefault("db", options.get("virtual_host", "0"))
        login = f":{quote(parts.password, safe='%')}@" if parts.password else ""
        return f"unix://{login}{parts.path}?{urlencode(known)}"
    return None
