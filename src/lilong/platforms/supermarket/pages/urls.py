"""Addresses of the supermarket's pages."""

from django.urls import path

from lilong.platforms.supermarket.pages import orders

urlpatterns = [
    path("orders", orders.show_orders, name="orders"),
    path("orders/<str:order_id>", orders.show_order, name="order"),
    path("orders/<str:order_id>/cancel", orders.cancel, name="order_cancel"),
    path("orders/<str:order_id>/exports/<str:name>", orders.download_export, name="order_export"),
]
