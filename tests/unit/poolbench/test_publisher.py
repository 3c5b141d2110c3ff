"""What the stamp of a publisher promises."""

from __future__ import annotations

from celery.signals import before_task_publish

from poolbench import publisher

# other tests of this process publish without it
before_task_publish.disconnect(publisher.stamp)


def test_each_message_has_the_time_of_its_own_publishing() -> None:
    """A retry copies the headers of the attempt before it, and gets another time."""
    headers = {publisher.PUBLISHED_NS: 1, "theirs": 2}
    publisher.stamp(headers=headers, body=(), sender="a")
    assert headers.pop(publisher.PUBLISHED_NS) > 1
    assert headers == {"theirs": 2}


def test_a_message_without_headers_is_left_alone() -> None:
    """Whatever a message has in their place."""
    publisher.stamp(headers=None)
    publisher.stamp(headers=["a"])
