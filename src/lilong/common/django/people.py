"""Who looks at a page, and who may: decorators of page views. Who it is, `web/people.py` finds out.

The API is not for sessions: it knows tokens alone, so no page of a stranger can call it with somebody's cookie.
"""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeAlias

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from lilong.common.django.routes import ALL_ROLES
from lilong.common.errors import NotAllowed
from lilong.common.permissions import PUBLIC, Actor, Role, Scope, may, require

SAFE = frozenset({"GET", "HEAD"})
P = ParamSpec("P")
View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
FindActor: TypeAlias = Callable[[], Actor]


class OrganisationMissing(NotAllowed):
    """A person who is signed in belongs to no organisation."""

    code = "permission.no_organisation"
    title = "You do not belong to an organisation yet"
    next_step = "Found one, or ask the owner of yours to add you by the address that you signed up with."


def attach_actor_finder(request: HttpRequest, find: FindActor, *, find_anew: FindActor) -> None:
    """Tell this request how to find out who acts by its session: asked at most once, and anew for answers that last."""
    request.__dict__["find_actor"] = functools.cache(find)
    request.__dict__["find_actor_anew"] = find_anew


def find_actor(request: HttpRequest) -> Actor:
    """Return who acts by the session of this request: PUBLIC for strangers, without a role for who has no organisation.

    Three queries at most: session, person, memberships.
    """
    find = request.__dict__.get("find_actor")
    return find() if find is not None else PUBLIC


def find_actor_anew(request: HttpRequest) -> Actor:
    """Return who acts by this session now: PUBLIC once it has ended, whatever was true when the request came."""
    find: FindActor | None = request.__dict__.get("find_actor_anew")
    return find() if find is not None else PUBLIC


def for_person(view: View[P]) -> View[P]:
    """Let in whoever is signed in; strangers are sent to sign in and come back."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **options: P.kwargs) -> HttpResponseBase:
        if not find_actor(request).person_id:
            return redirect_to_sign_in(request)
        return view(request, *args, **options)

    return guarded


def for_member(view: View[P]) -> View[P]:
    """Let in who acts for an organisation; who has none is led to found one, and back.

    Raises NotAllowed where something would have been done.
    """

    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **options: P.kwargs) -> HttpResponseBase:
        actor = find_actor(request)
        if not actor.person_id:
            return redirect_to_sign_in(request)
        if actor.role is None and request.method in SAFE:
            return redirect_to_login(request.get_full_path(), reverse("account_found_organisation"))
        if actor.role is None:
            raise OrganisationMissing
        require(may(actor, roles=ALL_ROLES, scope=Scope.READ))
        return view(request, *args, **options)

    return guarded


def for_operator(view: View[P]) -> View[P]:
    """Let in operators of the hub; raises NotAllowed with the reason for others."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **options: P.kwargs) -> HttpResponseBase:
        actor = find_actor(request)
        if not actor.person_id:
            return redirect_to_sign_in(request)
        if actor.role is None:
            raise OrganisationMissing
        require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
        return view(request, *args, **options)

    return guarded


def redirect_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """Send a stranger to sign in, and back to what they asked for; after a POST back to where they came from."""
    back = request.get_full_path() if request.method in SAFE else ""
    return redirect_to_login(back or reverse("account_overview"), reverse("account_login"))


def read_next(request: HttpRequest, *, default: str) -> str:
    """Return where a form asks to go afterwards, if that is on this hub; else `default`."""
    wanted = request.POST.get("next", "") or request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wanted
    return default
