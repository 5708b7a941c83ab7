"""What the shop does outside of requests."""

import os
import signal
from pathlib import Path

from django.db.models import F

from qless_py.frameworks.django import options
from shop.models import Order

try:
    from django.tasks import task
except ImportError:  # before Django 6
    from django_tasks import task


@task(queue_name="mail")
def confirm(order_id):
    """Confirm an order by mail; the job is put when the order is committed."""
    order = Order.objects.get(pk=order_id)
    Order.objects.filter(pk=order_id).update(confirmations=F("confirmations") + 1)
    return f"{order.customer}, your order {order.pk} is on its way"


@task(queue_name="mail", takes_context=True)
@options(attempts=3, tags=["reminder"], enqueue_on_commit=False)
async def remind(context, order_id):
    """Remind a customer of an order, which takes two attempts."""
    if context.attempt == 1:
        raise ConnectionError("the mail server does not answer")
    order = await Order.objects.aget(pk=order_id)
    return f"{order.customer}, attempt {context.attempt}"


@task
@options(enqueue_on_commit=False)
def crash_once(mark):
    """Kill the process of the worker in the first run; the second one returns."""
    path = Path(mark)
    if not path.exists():
        path.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()
