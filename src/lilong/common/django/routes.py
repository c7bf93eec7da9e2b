"""What every HTTP operation declares: who may call it. The authorisation matrix is derived from this."""

from collections.abc import Iterable

from django.http import HttpRequest

from lilong.common.permissions import PUBLIC, Actor, Role, Scope

ALL_ROLES = frozenset(Role)
ORGANISATION_ROLES = ALL_ROLES - {Role.OPERATOR}


def allow(roles: Iterable[Role], scope: Scope) -> dict[str, object]:
    """Return the `openapi_extra` of an operation for people with one of `roles` whose token has `scope`."""
    return {"x-lilong-allow": sorted(roles), "x-lilong-scope": scope.value}


def allow_public() -> dict[str, object]:
    """Return the `openapi_extra` of an operation that needs no token."""
    return {"x-lilong-allow": ["public"]}


def allow_agent() -> dict[str, object]:
    """Return the `openapi_extra` of an operation for the agent of a pool."""
    return {"x-lilong-allow": ["agent"]}


def get_actor(request: HttpRequest) -> Actor:
    """Return who is asking, as the API's authentication found out; PUBLIC without a token."""
    actor = getattr(request, "auth", None)
    return actor if isinstance(actor, Actor) else PUBLIC
