"""The HTTP API, assembled: people and programs under /api/v1, agents under /agent/v1."""

from lilong import __version__
from lilong.common.django.problems import install_problem_handlers
from lilong.foundation.cases import api as cases
from lilong.foundation.ledger import api as ledger
from lilong.foundation.members import api as members
from lilong.foundation.notices import api as notices
from lilong.foundation.objects import api as objects
from lilong.foundation.outbox import api as outbox
from lilong.foundation.record import api as record
from lilong.foundation.runs import api as runs
from lilong.platforms.audit import api as audit
from lilong.platforms.funding import api as funding
from lilong.platforms.stack import api as stack
from lilong.platforms.supermarket import api as supermarket
from lilong.web import health
from lilong.web.auth import enforce_rule
from lilong.web.idempotency import act_once, replay_first
from lilong.web.openapi import DescribedApi
from lilong.web.reading import StrictJson, refuse_unknown_parameters

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

for router in (
    health.router,
    outbox.router,
    record.router,
    objects.router,
    members.router,
    notices.router,
    cases.router,
    ledger.router,
    runs.router,
    funding.router,
    stack.router,
    supermarket.router,
    audit.router,
):
    api.add_router("", router)
agent_api.add_router("", runs.agent_router)
