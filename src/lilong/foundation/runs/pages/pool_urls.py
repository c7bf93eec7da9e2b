"""Addresses of the pages of pools."""

from django.urls import path

from lilong.foundation.runs.pages import pools

urlpatterns = [
    path("desk/pools", pools.show_pools, name="desk_pools"),
    path("provider/pools/new", pools.add_pool, name="add_pool"),
    path("provider/pools/<str:pool_id>", pools.show_pool, name="pool"),
    path("provider/pools/<str:pool_id>/draining", pools.change_draining, name="pool_draining"),
    path(
        "provider/pools/<str:pool_id>/maintenance/cancel", pools.take_maintenance_back, name="pool_maintenance_cancel"
    ),
    path("provider/pools/<str:pool_id>/join-token", pools.show_join_token, name="pool_join_token"),
]
