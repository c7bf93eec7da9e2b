"""Who is calling, by bearer token, and whether the operation's rule lets them: before anything else is read."""

import inspect
from collections.abc import Callable
from typing import TypeAlias

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja.operation import Operation
from ninja.security import HttpBearer

from lilong.common.django.routes import Audience, Rule, RuleMissing, read_rule
from lilong.common.errors import NotSignedIn
from lilong.common.permissions import Actor, may, require
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.foundation.members.public import authenticate
from lilong.foundation.runs.public import authenticate_pool

Run: TypeAlias = Callable[..., HttpResponseBase]

TOKEN_LENGTH_MAX = 200


class PeopleAuth(HttpBearer):
    """The token of a person, good for operations whose rule names the person's role and the token's scope."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self._rule = rule

    def authenticate(self, request: HttpRequest, token: str) -> Actor:  # noqa: ARG002 - the signature is ninja's
        """Return who acts; raises NotSignedIn and NotAllowed."""
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise NotSignedIn(detail=say("This token is unknown."))
        actor = authenticate(token=token, now=utc_now())
        require(may(actor, roles=self._rule.roles, scope=self._rule.scope))
        return actor


class AgentAuth(HttpBearer):
    """The token of a pool, good for the roads of agents alone."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor:  # noqa: ARG002 - the signature is ninja's
        """Return the pool that acts; raises NotSignedIn."""
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise NotSignedIn(detail=say("This token is unknown."))
        return authenticate_pool(token=token, now=utc_now())


def enforce_rule(run: Run) -> Run:
    """Bind the rule that an operation declares to it; a decorator of a whole API, in the mode `view`."""
    operation = find_operation(run)
    rule = read_rule(operation.openapi_extra)
    if rule.audience is Audience.PEOPLE:
        operation.auth_callbacks = [PeopleAuth(rule)]
    elif rule.audience is Audience.AGENT:
        operation.auth_callbacks = [AgentAuth()]
    return run


def find_operation(run: Run) -> Operation:
    """Return the operation whose bound `run` this is, below any decorators made with functools.wraps."""
    operation = getattr(inspect.unwrap(run), "__self__", None)
    if not isinstance(operation, Operation):
        raise RuleMissing(f"{run} is not an operation's.")
    return operation
