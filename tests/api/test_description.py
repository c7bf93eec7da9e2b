"""The API does what its description says, tried with many made-up requests: no 5xx, no undocumented answer.

Whether wrong requests are refused is not asked here: the header that this test adds makes some of them right.
The requests are the same in every run, 20 for an operation; `make bench-fuzz` makes up others, and many more."""

import itertools
import json
import os

import hypothesis
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from ninja import Schema
from schemathesis.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.web.api import api
from tests.api.operations import list_operations
from tests.people import act, found_organisation, make_member_token, make_operator_token

EXAMPLES = os.environ.get("LILONG_TEST_API_EXAMPLES", "")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
    ignored_auth,
]
MAKE_NOTHING = {
    "POST /api/v1/bank-entries/{entry_id}/match",
    "POST /api/v1/cases/{case_id}/decisions",
    "POST /api/v1/cases/{case_id}/evidence/{evidence_id}/verify",
    "POST /api/v1/claims/{claim_id}/withdraw",
    "POST /api/v1/invoices",
    "POST /api/v1/objects/find",
    "POST /api/v1/orders/{order_id}/approve",
    "POST /api/v1/orders/{order_id}/cancel",
    "POST /api/v1/orders/{order_id}/refuse",
    "POST /api/v1/organisations/{organisation_id}/standings/{standing_id}/end",
    "POST /api/v1/pay-outs/{pay_out_id}/sent",
    "POST /api/v1/programmes/replays",
    "POST /api/v1/specs/check",
    "POST /api/v1/uploads",
}
LEFT_FOR_LATER = {
    "POST /api/v1/audit-packs",
    "POST /api/v1/cases/{case_id}/appeals",
    "POST /api/v1/claw-backs",
    "POST /api/v1/orders/{order_id}/disputes",
    "POST /api/v1/programmes/{programme_id}/fund",
    "POST /api/v1/programmes/{programme_id}/rules",
    "POST /api/v1/standing-applications",
    "POST /api/v1/top-ups",
}
pytestmark = pytest.mark.django_db(transaction=True)
described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())


@pytest.fixture
def tokens():
    now = utc_now()
    owner = found_organisation(now=now).token.secret
    viewer = make_member_token(act(owner, now=now), Role.VIEWER, now=now)
    return itertools.cycle([owner, make_operator_token(now=now), viewer])


@described.parametrize()
@hypothesis.settings(
    max_examples=int(EXAMPLES or 20), derandomize=not EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck)
)
def test_the_api_does_what_it_says(case, tokens, requests_tried):
    requests_tried[case.operation.label] += 1
    case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {next(tokens)}"})


def test_no_two_schemas_share_a_name():
    """The description keeps one of a name, and would say of the other's answers what they are not."""
    kinds: list[type[Schema]] = [Schema]
    described: dict[str, set[str]] = {}
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__.startswith("lilong."):
            described.setdefault(kind.__name__, set()).add(json.dumps(kind.model_json_schema(), sort_keys=True))

    assert len(described) >= 100
    assert not [name for name, schemas in described.items() if len(schemas) > 1]


def test_what_a_post_answers_says_whether_something_was_made():
    """201: it was made; 202: people will decide, or the worker does it; 204: there is nothing to say."""
    described = api.get_openapi_schema()["paths"]
    answers = {
        str(operation): {status for status in described[operation.path]["post"]["responses"] if status < 300}
        for operation in list_operations()
        if operation.method == "POST"
    }
    assert {name for name, statuses in answers.items() if 200 in statuses} == MAKE_NOTHING
    assert {name for name, statuses in answers.items() if 202 in statuses} == LEFT_FOR_LATER
    assert all(statuses <= {200, 201, 202, 204} for statuses in answers.values())
