"""Orders, pictures and reports at random times: ``python -m shop.customers --rate 6 --for 120``."""

import argparse
import os
import random
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

# stamps messages with the time of publishing; the only change that a recording profits from
import poolbench.publisher  # noqa: E402, F401
from shop.models import Order, Product  # noqa: E402 -- after the setup
from shop.tasks import daily_report, place_order, thumbnail  # noqa: E402

PRODUCTS = ("lamp", "chair", "table", "shelf", "clock")

#: Of a hundred events: pictures and reports; the rest are orders.
PICTURES, REPORTS = 30, 2


def main() -> None:
    """Send jobs for a time, at a mean rate of events with random gaps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=6.0, help="events a second")
    parser.add_argument("--for", type=float, default=120.0, help="seconds", dest="for_s")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    products = [Product.objects.get_or_create(name=name)[0] for name in PRODUCTS]
    due_s, ends_s = time.monotonic(), time.monotonic() + options.for_s
    while (due_s := due_s + random.expovariate(options.rate)) < ends_s:
        time.sleep(max(0.0, due_s - time.monotonic()))
        event = random.randrange(100)
        if event < REPORTS:
            daily_report()
        elif event < REPORTS + PICTURES:
            thumbnail.delay(random.choice((160, 320, 640, 1_280)))
        else:
            quantity = min(12, 1 + int(random.paretovariate(1.5)))
            order = Order.objects.create(
                product=random.choice(products), quantity=quantity, customer="ada@example.org"
            )
            place_order.delay(order.pk)


if __name__ == "__main__":
    main()
