"""The HTTP API, assembled: people and programs under /api/v1, agents under /agent/v1."""

from importlib import import_module
from importlib.util import find_spec

from ninja import NinjaAPI, Router

from lilong import __version__
from lilong.common.django.problems import install_problem_handlers
from lilong.web.settings import ROOMS

api = NinjaAPI(title="Lilong", version=__version__, urls_namespace="api")
agent_api = NinjaAPI(title="Lilong agents", version=__version__, urls_namespace="agent", openapi_url=None)
install_problem_handlers(api)
install_problem_handlers(agent_api)

for room in ROOMS:
    if find_spec(f"lilong.{room}.api"):
        module = import_module(f"lilong.{room}.api")
        for name, target in (("router", api), ("agent_router", agent_api)):
            router = getattr(module, name, None)
            if isinstance(router, Router):
                target.add_router("", router)
