"""Take orders, and show how their tasks are getting on."""

from django.db import transaction
from django.http import HttpResponseNotAllowed, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from shop import tasks
from shop.models import Order

try:
    from django.tasks import default_task_backend
    from django.tasks.exceptions import TaskResultDoesNotExist
except ImportError:  # before Django 6
    from django_tasks import default_task_backend
    from django_tasks.exceptions import TaskResultDoesNotExist


@require_POST
@transaction.atomic
def order(request):
    """Store an order, and confirm it once it is committed."""
    made = Order.objects.create(customer=request.POST["customer"])
    result = tasks.confirm.enqueue(made.pk)
    return JsonResponse({"order": made.pk, "task": result.id}, status=201)


async def remind(request, order_id):
    """Put a reminder through the asyncio client."""
    if request.method != "POST":  # The decorators know async views since Django 5.
        return HttpResponseNotAllowed(["POST"])
    result = await tasks.remind.aenqueue(order_id)
    return JsonResponse({"task": result.id}, status=202)


@require_POST
def crash(request):
    """Put a task that kills its worker once."""
    result = tasks.crash_once.enqueue(request.POST["mark"])
    return JsonResponse({"task": result.id}, status=202)


@require_GET
def task(request, task_id):
    """Show a task."""
    del request
    try:
        found = default_task_backend.get_result(task_id)
    except TaskResultDoesNotExist:
        return JsonResponse({"error": "there is no such task"}, status=404)
    return JsonResponse(
        {
            "status": found.status,
            "value": found.return_value if found.status == "SUCCESSFUL" else None,
            "attempts": found.attempts,
            "errors": [one.exception_class_path for one in found.errors],
        }
    )
