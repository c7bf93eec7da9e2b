"""The API does what its description says, tried with many made-up requests: no 5xx, no undocumented answer.

Whether wrong requests are refused is not asked here: the header that this test adds makes some of them right."""

import itertools

import hypothesis
import pytest
import schemathesis
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
from lilong.web.wsgi import application
from tests.people import act, found_organisation, make_member_token, make_operator_token

EXAMPLES = 20
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
pytestmark = pytest.mark.django_db(transaction=True)
described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)


@pytest.fixture
def tokens():
    now = utc_now()
    owner = found_organisation(now=now).token.secret
    viewer = make_member_token(act(owner, now=now), Role.VIEWER, now=now)
    return itertools.cycle([owner, make_operator_token(now=now), viewer])


@described.parametrize()
@hypothesis.settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck))
def test_the_api_does_what_it_says(case, tokens):
    case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {next(tokens)}"})
