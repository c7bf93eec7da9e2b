"""The HTTP API, assembled: people and programs under /api/v1, agents under /agent/v1."""

from importlib import import_module
from importlib.util import find_spec

from ninja import Router

from lilong import __version__
from lilong.common.django.problems import install_problem_handlers
from lilong.web import health
from lilong.web.auth import enforce_rule
from lilong.web.idempotency import act_once, replay_first
from lilong.web.openapi import DescribedApi
from lilong.web.reading import StrictJson, refuse_unknown_parameters
from lilong.web.settings import ROOMS

PEOPLE_BYTES_MAX = 4 * 1024 * 1024
AGENT_BYTES_MAX = 16 * 1024 * 1024

api = DescribedApi(
    title="Lilong",
    version=__version__,
    urls_namespace="api",
    docs_url=None,
    parser=StrictJson(bytes_max=PEOPLE_BYTES_MAX),
)
agent_api = DescribedApi(
    title="Lilong agents",
    version=__version__,
    urls_namespace="agent",
    docs_url=None,
    openapi_url=None,
    parser=StrictJson(bytes_max=AGENT_BYTES_MAX),
)
install_problem_handlers(api)
install_problem_handlers(agent_api)
for assembled in (api, agent_api):
    assembled.add_decorator(refuse_unknown_parameters, mode="view")
    assembled.add_decorator(enforce_rule, mode="view")
api.add_decorator(act_once, mode="view")
api.add_decorator(replay_first, mode="operation")

api.add_router("", health.router)
for room in ROOMS:
    if find_spec(f"lilong.{room}.api"):
        module = import_module(f"lilong.{room}.api")
        for name, target in (("router", api), ("agent_router", agent_api)):
            router = getattr(module, name, None)
            if isinstance(router, Router):
                target.add_router("", router)
