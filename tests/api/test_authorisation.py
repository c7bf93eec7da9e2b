"""The matrix of who may call what, derived from the rules that the operations declare and tried out one by one."""

import pytest
from django.conf import settings
from django.db import transaction
from ninja import NinjaAPI, Router

from lilong.common.django.routes import Audience, RuleMissing, allow_public
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.models import Token
from lilong.web.auth import enforce_rule
from tests.api.operations import call, list_agent_operations, list_operations
from tests.people import (
    act,
    found_operator,
    found_organisation,
    found_owner,
    make_member_token,
    make_operator_token,
)
from tests.sessions import browse_as

FOR_PEOPLE = [operation for operation in list_operations() if operation.rule.audience is Audience.PEOPLE]
PUBLIC = {
    "GET /api/v1/accelerators",
    "GET /api/v1/accelerators/{name}",
    "GET /api/v1/claims/{claim_id}",
    "GET /api/v1/health/live",
    "GET /api/v1/health/ready",
    "GET /api/v1/start-records",
    "POST /api/v1/organisations",
    "POST /api/v1/tokens/exchange",
    "POST /api/v1/tokens/device",
}
pytestmark = pytest.mark.django_db(transaction=True)


def answer_nothing(request):
    return {}


def make_tokens():
    """Return a token for each role: one organisation's, and the hub's operator."""
    now = utc_now()
    owner = found_organisation(now=now).token.secret
    tokens = {Role.OWNER: owner, Role.OPERATOR: make_operator_token(now=now)}
    others = set(Role) - set(tokens)
    return tokens | {role: make_member_token(act(owner, now=now), role, now=now) for role in others}


def is_let_in(response):
    """Whether the rule let the caller in; what the operation then says about a made-up request does not matter."""
    assert response.status_code < 500, response.content
    if response.status_code in (401, 403):
        assert response["Content-Type"] == "application/problem+json"
        return False
    return True


def test_every_role_is_let_in_exactly_where_the_rules_say_so():
    tokens = make_tokens()
    wrong = []
    for operation in FOR_PEOPLE:
        for role, token in tokens.items():
            let_in = is_let_in(call(operation, token=token))
            # The body is empty and the ids are nobody's: an operation that is let in finds the request wanting.
            if let_in is not (role in operation.rule.roles):
                wrong.append(f"{operation} as {role}: {'let in' if let_in else 'turned away'}")

    assert not wrong
    assert len(FOR_PEOPLE) >= 20


def test_nobody_is_let_in_without_a_token_but_where_the_rules_say_so():
    for operation in list_operations():
        response = call(operation)
        assert (response.status_code == 401) is (operation.rule.audience is not Audience.PUBLIC), operation


def test_what_everybody_may_call_is_a_short_and_known_list():
    public = {str(operation) for operation in list_operations() if operation.rule.audience is Audience.PUBLIC}

    assert public >= PUBLIC
    unlisted = {name for name in public - PUBLIC if not name.startswith(("GET /api/v1/record/", "GET /api/v1/links/"))}
    assert not unlisted, "an operation without a token has to be listed here"


def test_a_token_without_the_scope_is_turned_away_whatever_its_role():
    tokens = make_tokens()
    for operation in FOR_PEOPLE:
        rest = " ".join(sorted(set(Scope) - {operation.rule.scope}))
        with transaction.atomic():
            Token.objects.update(scopes=rest)
        for role in operation.rule.roles:
            response = call(operation, token=tokens[role])
            assert response.status_code == 403, f"{operation} as {role}"


def test_the_session_of_a_browser_is_not_taken_whosever_it_is():
    for person in (found_owner(now=utc_now()), found_operator(now=utc_now())):
        session = browse_as(person).cookies[settings.SESSION_COOKIE_NAME].value
        for operation in [*list_operations(), *list_agent_operations()]:
            if operation.rule.audience is not Audience.PUBLIC:
                assert call(operation, session=session).status_code == 401, operation


def test_a_person_gets_nothing_where_agents_belong():
    tokens = make_tokens()
    for operation in list_agent_operations():
        if operation.rule.audience is Audience.AGENT:
            for role, token in tokens.items():
                assert call(operation, token=token).status_code == 401, f"{operation} as {role}"


def test_an_operation_that_declares_no_rule_cannot_be_assembled():
    careless = NinjaAPI(urls_namespace="careless")
    careless.add_decorator(enforce_rule, mode="view")
    router = Router()
    router.get("/open")(answer_nothing)
    careless.add_router("", router)

    with pytest.raises(RuleMissing):
        assert careless.urls


def test_an_operation_for_everybody_says_so():
    frank = NinjaAPI(urls_namespace="frank")
    frank.add_decorator(enforce_rule, mode="view")
    router = Router()
    router.get("/open", openapi_extra=allow_public())(answer_nothing)
    frank.add_router("", router)

    assert frank.urls
