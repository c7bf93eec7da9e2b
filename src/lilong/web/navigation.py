"""What stands in the header of every page: the one list in which rooms register their entries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lilong.common.django.people import find_actor

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


def _always(_request: HttpRequest) -> bool:
    return True


def _for_members(request: HttpRequest) -> bool:
    return find_actor(request).role is not None


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
    Entry(label=_("Overview"), url_name="front"),
    Entry(label=_("Home"), url_name="home", is_shown=_for_members),
    Entry(label=_("Shelf"), url_name="shelf", is_shown=_for_members),
    Entry(label=_("Orders"), url_name="orders", is_shown=_for_members),
    Entry(label=_("Wallet"), url_name="wallet", is_shown=_for_members),
    Entry(label=_("Check the record"), url_name="verify"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStep:
    """What a newcomer may do, on the front page: by a page, or while there is none by a command."""

    title: "_StrOrPromise"
    text: "_StrOrPromise"
    url_name: str = ""
    label: "_StrOrPromise" = ""
    command: str = ""

    @property
    def href(self) -> str:
        """Address of the page; empty where there is a command."""
        return reverse(self.url_name) if self.url_name else ""


FIRST_STEPS: tuple[FirstStep, ...] = (
    FirstStep(
        title=_("Sign up"),
        text=_(
            "Found your organisation over the HTTP API. Residents are admitted by a published rule; the answer brings "
            "your first token."
        ),
        command="POST /api/v1/organisations",
    ),
    FirstStep(
        title=_("Look at the shelf"),
        text=_("See what providers sell and at which price, then ask what your job would cost. A quote costs nothing."),
        url_name="shelf",
        label=_("Go to the shelf"),
    ),
)


def list_first_steps() -> tuple[FirstStep, ...]:
    """Return the next steps of the front page, in their order."""
    return FIRST_STEPS


def list_links(request: HttpRequest) -> list[Link]:
    """Return the entries for whoever asks, in their order."""
    links = []
    for entry in ENTRIES:
        if entry.is_shown(request):
            href = reverse(entry.url_name)
            below = href != "/" and request.path.startswith(f"{href}/")
            links.append(Link(label=str(entry.label), href=href, is_current=request.path == href or below))
    return links
