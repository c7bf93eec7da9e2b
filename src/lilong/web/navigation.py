"""What stands in the header of every page: the one list in which rooms register their entries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lilong.common.django.people import find_actor
from lilong.foundation.members.pages.sessions import find_session_organisation
from lilong.foundation.members.public import OrganisationKind

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


def _always(_request: HttpRequest) -> bool:
    return True


def _for_strangers(request: HttpRequest) -> bool:
    """Who is signed in comes to the front page by the hub's name, and needs the room."""
    return not find_actor(request).person_id


def _for_members(request: HttpRequest) -> bool:
    return find_actor(request).role is not None


def _for_applicants(request: HttpRequest) -> bool:
    actor = find_actor(request)
    return actor.role is not None and not actor.is_operator


def _for_providers(request: HttpRequest) -> bool:
    organisation = find_session_organisation(request)
    return organisation is not None and organisation.kind == OrganisationKind.PROVIDER


def _for_operators(request: HttpRequest) -> bool:
    return find_actor(request).is_operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: its label, the name of its address, and who is shown it (everybody by default)."""

    label: "_StrOrPromise"
    url_name: str
    is_shown: Callable[[HttpRequest], bool] = _always


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as a template draws it. is_current: the page that is shown is this one or one below it."""

    label: str
    href: str
    is_current: bool


ENTRIES: tuple[Entry, ...] = (
    Entry(label=_("Overview"), url_name="front", is_shown=_for_strangers),
    Entry(label=_("Home"), url_name="home", is_shown=_for_members),
    Entry(label=_("Shelf"), url_name="shelf", is_shown=_for_members),
    Entry(label=_("Orders"), url_name="orders", is_shown=_for_members),
    Entry(label=_("Wallet"), url_name="wallet", is_shown=_for_members),
    Entry(label=_("People"), url_name="people", is_shown=_for_members),
    Entry(label=_("Provider desk"), url_name="provider", is_shown=_for_providers),
    Entry(label=_("Cases"), url_name="cases", is_shown=_for_applicants),
    Entry(label=_("Desk"), url_name="desk", is_shown=_for_operators),
    Entry(label=_("The record"), url_name="record"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStep:
    """What a newcomer may do, on the front page, and who is shown it."""

    title: "_StrOrPromise"
    text: "_StrOrPromise"
    url_name: str
    label: "_StrOrPromise"
    is_shown: Callable[[HttpRequest], bool] = _always

    @property
    def href(self) -> str:
        """Address of the page."""
        return reverse(self.url_name)


FIRST_STEPS: tuple[FirstStep, ...] = (
    FirstStep(
        title=_("Sign up"),
        text=_(
            "Your address, a password, and the name of your organisation. A published rule admits residents and "
            "makers in the same minute."
        ),
        url_name="account_signup",
        label=_("Sign up"),
        is_shown=_for_strangers,
    ),
    FirstStep(
        title=_("Look at the shelf"),
        text=_("See what providers sell and at which price, then ask what your job would cost. A quote costs nothing."),
        url_name="shelf",
        label=_("Go to the shelf"),
    ),
)


def list_first_steps(request: HttpRequest) -> tuple[FirstStep, ...]:
    """Return the next steps of the front page for who looks at it, in their order."""
    return tuple(step for step in FIRST_STEPS if step.is_shown(request))


def list_links(request: HttpRequest) -> list[Link]:
    """Return the entries for whoever asks, in their order; those for everybody where nobody can tell who it is."""
    links = []
    for entry in ENTRIES:
        if _is_shown(entry, request):
            href = reverse(entry.url_name)
            below = href != "/" and request.path.startswith(f"{href}/")
            links.append(Link(label=str(entry.label), href=href, is_current=request.path == href or below))
    return links


def _is_shown(entry: Entry, request: HttpRequest) -> bool:
    try:
        return entry.is_shown(request)
    except DatabaseError:
        return False
