"""The shop's tasks: a wait, C code, Python code, a database, a mail, and all of Celery's shapes."""

import io
import urllib.error
import urllib.request
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from celery import chain, chord, shared_task
from django.conf import settings
from django.core.mail import send_mail as django_send_mail
from PIL import Image

from shop.models import Order, Product

#: The supplier answers after about 60 ms, sometimes much later, and one time in fifty with 503.
QUERY = "delay_ms=60&tail_sigma=0.6&failure_share=0.02&size_bytes=512"

PICTURE = Path(__file__).with_name("picture.jpg")

#: Lines of an invoice for each piece that was ordered.
LINES_PER_PIECE = 400

TAX = Decimal("0.19")


@shared_task(name="shop.place_order")
def place_order(order_id: int) -> None:
    """Ask the supplier for the price, write the invoice, then send it."""
    order = Order.objects.get(pk=order_id)
    steps = [
        fetch_price.si(order.product_id),
        invoice.si(order_id),
        send_mail.s(order_id),
    ]
    chain(*steps).delay()


@shared_task(
    name="shop.fetch_price",
    autoretry_for=(urllib.error.URLError,),
    retry_backoff=1,
    retry_jitter=True,
    max_retries=5,
)
def fetch_price(product_id: int) -> int:
    """Return a product's price, as the supplier has it today."""
    url = f"{settings.SUPPLIER_URL}/wait?{QUERY}"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 -- our own settings
        price_cents = 500 + len(answer.read()) * (1 + product_id % 7)
    Product.objects.filter(pk=product_id).update(price_cents=price_cents)
    return price_cents


@shared_task(name="shop.invoice")
def invoice(order_id: int) -> str:
    """Compute an order's total to the cent, line by line; return the text."""
    order = Order.objects.select_related("product").get(pk=order_id)
    lines, total = [], Decimal(0)
    for number in range(order.quantity * LINES_PER_PIECE):
        net = Decimal(order.product.price_cents + number) / 100
        gross = (net * (1 + TAX)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
        total += gross
        lines.append(f"{number:>6} {order.product.name:<40} {net:>10} {gross:>10}")
    Order.objects.filter(pk=order_id).update(total_cents=int(total * 100))
    return "\n".join([*lines[-20:], f"total {total}"])


@shared_task(name="shop.send_mail", acks_late=True)
def send_mail(text: str, order_id: int) -> None:
    """Send an invoice."""
    order = Order.objects.get(pk=order_id)
    django_send_mail(f"Your order {order_id}", text, "shop@example.org", [order.customer])


@shared_task(name="shop.thumbnail", soft_time_limit=20)
def thumbnail(width: int) -> int:
    """Return the size of the product's picture at this width, bytes."""
    with Image.open(PICTURE) as picture:
        picture.thumbnail((width, width))
        small = io.BytesIO()
        picture.save(small, "JPEG", quality=85)
    return small.tell()


@shared_task(name="shop.subtotal")
def subtotal(product_id: int) -> int:
    """Return what a product has sold for, cents."""
    totals = Order.objects.filter(product_id=product_id).values_list("total_cents", flat=True)
    return sum(total or 0 for total in totals)


@shared_task(name="shop.report")
def report(subtotals: list[int]) -> int:
    """Return what all products have sold for, cents."""
    return sum(subtotals)


def daily_report() -> None:
    """Send the jobs of a report: a subtotal for each product, then their sum."""
    products = Product.objects.values_list("pk", flat=True)
    chord([subtotal.s(product) for product in products], report.s()).delay()


def thumbnail_args(number: int) -> list[int]:
    """Return the arguments of the job ``number`` when Poolbench tries thumbnails."""
    return [(160, 320, 640, 1_280)[number % 4]]
