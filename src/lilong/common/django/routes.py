"""Who may call an HTTP operation: declared beside it, enforced by `web/auth.py`, tested as a matrix."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.http import HttpRequest

from lilong.common.permissions import PUBLIC, Actor, Role, Scope

ALL_ROLES = frozenset(Role)
ORGANISATION_ROLES = ALL_ROLES - {Role.OPERATOR}
OWN_TRANSACTIONS: dict[str, object] = {"x-lilong-transaction": "own"}
"""Add it with `|` to the rule of a POST that works outside of a transaction, long before it writes or on bytes.

Other POSTs that carry an Idempotency-Key are one transaction with the answer that is kept for the key. With this, the
operation itself finds what it made for the same request before, by `find_request_name`.
"""


class Audience(StrEnum):
    """Whom a rule speaks of."""

    PUBLIC = "public"
    AGENT = "agent"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call an operation; roles and scope are for people."""

    audience: Audience
    roles: frozenset[Role] = frozenset()
    scope: Scope = Scope.READ
    has_own_transactions: bool = False


class RuleMissing(TypeError):
    """An operation does not say who may call it."""


def allow(roles: Iterable[Role], scope: Scope) -> dict[str, object]:
    """Return the `openapi_extra` of an operation for people with one of `roles` whose token has `scope`."""
    return {"x-lilong-allow": sorted(roles), "x-lilong-scope": scope.value}


def allow_public() -> dict[str, object]:
    """Return the `openapi_extra` of an operation that needs no token."""
    return {"x-lilong-allow": [Audience.PUBLIC.value]}


def allow_agent() -> dict[str, object]:
    """Return the `openapi_extra` of an operation for the agent of a pool."""
    return {"x-lilong-allow": [Audience.AGENT.value]}


def read_rule(openapi_extra: Mapping[str, object] | None) -> Rule:
    """Return the rule that an operation declared; raises RuleMissing.

    >>> read_rule(allow({Role.OWNER}, Scope.PAY)).scope
    <Scope.PAY: 'pay'>
    """
    declared = openapi_extra or {}
    allowed = declared.get("x-lilong-allow")
    if not isinstance(allowed, list) or not allowed:
        raise RuleMissing("openapi_extra says nobody: use allow(), allow_public() or allow_agent().")
    own = declared.get("x-lilong-transaction") == "own"
    if allowed == [Audience.PUBLIC]:
        return Rule(Audience.PUBLIC, has_own_transactions=own)
    if allowed == [Audience.AGENT]:
        return Rule(Audience.AGENT, has_own_transactions=own)
    return Rule(
        Audience.PEOPLE,
        roles=frozenset(Role(name) for name in allowed),
        scope=Scope(str(declared["x-lilong-scope"])),
        has_own_transactions=own,
    )


def name_request(request: HttpRequest, name: str) -> None:
    """Give a request that carries an Idempotency-Key the name that its repetitions have, too."""
    request.__dict__["request_name"] = name


def find_request_name(request: HttpRequest) -> str | None:
    """Return the one name of this request and its repetitions, or None where it bears no Idempotency-Key."""
    name = request.__dict__.get("request_name")
    return name if isinstance(name, str) else None


def get_actor(request: HttpRequest) -> Actor:
    """Return who is asking, as the API's authentication found out; PUBLIC without a token."""
    actor = getattr(request, "auth", None)
    return actor if isinstance(actor, Actor) else PUBLIC
