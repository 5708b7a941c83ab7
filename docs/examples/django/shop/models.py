"""The tables of the shop."""

from django.db import models


class Order(models.Model):
    """An order, and how often its confirmation was sent."""

    customer = models.CharField(max_length=100)
    confirmations = models.IntegerField(default=0)

    def __str__(self):
        """Name the order."""
        return f"order {self.pk} of {self.customer}"
