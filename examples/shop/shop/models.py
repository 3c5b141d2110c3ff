"""What the shop sells, and to whom."""

from django.db import models


class Product(models.Model):
    """Something to sell."""

    name = models.CharField(max_length=60)
    price_cents = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """A customer's order of one product."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.IntegerField()
    customer = models.EmailField()
    total_cents = models.IntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"
