"""Which addresses of a Celery app's broker the recorder can use."""

from __future__ import annotations

import pytest
import redis

from poolbench.broker_url import client_address


@pytest.mark.parametrize(
    ("broker_url", "address"),
    [
        ("redis://:p%40ss@h:1/3", "redis://:p%40ss@h:1/3"),
        ("redis://h", "redis://h"),
        ("rediss://h:1/0?ssl_cert_reqs=CERT_NONE", "rediss://h:1/0?ssl_cert_reqs=none"),
        ("redis://h:1/0?virtual_host=2", "redis://h:1/0"),
        ("redis://a:1/0;redis://b:2/0", "redis://a:1/0"),
        (["redis://a:1/0", "redis://b:2/0"], "redis://a:1/0"),
        ("redis+socket:///run/r.sock?virtual_host=2", "unix:///run/r.sock?db=2"),
        ("redis+socket://:p%40@/run/r.sock", "unix://:p%40@/run/r.sock?db=0"),
    ],
)
def test_a_redis_broker_is_understood(broker_url: object, address: str) -> None:
    """Every way in which Celery names a Redis gives an address that the client takes."""
    assert client_address(broker_url) == address
    redis.Redis.from_url(address).close()


@pytest.mark.parametrize("broker_url", ["amqp://g@h//", "memory://", "sentinel://h:2", None, [], 7])
def test_another_broker_is_refused(broker_url: object) -> None:
    """What is no plain Redis gives none."""
    assert client_address(broker_url) is None
