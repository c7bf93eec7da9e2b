"""Runs, volumes and pools over HTTP; agents have roads of their own."""

from ninja import Router

from lilong.foundation.runs.api import pools, runs, volumes
from lilong.foundation.runs.api.agents import router as agent_router

__all__ = ["agent_router", "router"]

router = Router()
for part in (runs, volumes, pools):
    router.add_router("", part.router)
