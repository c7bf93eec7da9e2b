"""Who acts by a browser's session: the person who signed in, for the organisation that they chose."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from lilong.common.django.people import attach_actor_finder, find_actor
from lilong.foundation.members.pages.sessions import (
    find_session_actor,
    list_session_memberships,
    read_beside_memberships,
)
from lilong.foundation.notices.public import count_unread_of_memberships

UNREAD_NOTICES = "unread_notices"
BESIDE_MEMBERSHIPS = {UNREAD_NOTICES: count_unread_of_memberships()}


class PeopleMiddleware:
    """Lets views ask who acts; nothing is read from the database until one does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        attach_actor_finder(
            request,
            lambda: find_session_actor(request),
            find_anew=lambda: find_session_actor(_ask_again(request)),
        )
        read_beside_memberships(request, BESIDE_MEMBERSHIPS)
        return self._get_response(request)


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in, as the header of a page shows it; None for strangers. unread: notices there."""

    person: object = None
    organisation: object = None
    unread: int = 0


def describe_account(request: HttpRequest) -> dict[str, object]:
    """Return the variable `account` of base.html, read when it is drawn; a context processor.

    A page that says that the database is down is drawn all the same.
    """
    return {"account": SimpleLazyObject(lambda: _find_account(request))}


def _find_account(request: HttpRequest) -> Account:
    if not hasattr(request, "user"):
        return Account()
    try:
        if not request.user.is_authenticated:
            return Account()
        acting = find_actor(request).organisation_id
        own = {each.organisation_id: each for each in list_session_memberships(request)}
    except DatabaseError:
        return Account()
    if acting not in own:
        return Account(person=request.user)
    membership = own[acting]
    return Account(
        person=request.user, organisation=membership.organisation, unread=getattr(membership, UNREAD_NOTICES)
    )


def _ask_again(request: HttpRequest) -> HttpRequest:
    """Return a request of the same browser that knows nothing yet of its session or its person."""
    again = HttpRequest()
    again.META, again.COOKIES = request.META, request.COOKIES
    again.session = SessionStore(request.session.session_key)
    again.user = get_user(again)
    return again
