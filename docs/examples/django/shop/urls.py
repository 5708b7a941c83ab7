"""Paths of the shop."""

from django.urls import path

from shop import views

urlpatterns = [
    path("orders/", views.order),
    path("orders/<int:order_id>/reminder", views.remind),
    path("crashes/", views.crash),
    path("tasks/<str:task_id>", views.task),
]
