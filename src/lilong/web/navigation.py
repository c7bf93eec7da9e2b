"""What stands in the header of every page and over those of an organisation: where rooms register their entries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from lilong.common.django.people import find_actor
from lilong.foundation.members.pages.sessions import find_session_organisation
from lilong.foundation.members.public import OrganisationKind
from lilong.foundation.notices.pages.webhooks import may_manage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


def _always(_request: HttpRequest) -> bool:
    return True


def _for_strangers(request: HttpRequest) -> bool:
    """Who is signed in comes to the front page by the hub's name, to the record from the foot, and needs the room."""
    return not find_actor(request).person_id


def _for_members(request: HttpRequest) -> bool:
    return find_actor(request).role is not None


def _for_webhook_managers(request: HttpRequest) -> bool:
    return may_manage(find_actor(request))


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
    """One entry: its label, the name of its address, and who is shown it (everybody by default). about: a sentence."""

    label: "_StrOrPromise"
    url_name: str
    is_shown: Callable[[HttpRequest], bool] = _always
    about: "_StrOrPromise" = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that stand behind one tab. label: of the tab."""

    label: "_StrOrPromise"
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as a template draws it. is_current: the page that is shown is this one or one below it."""

    label: str
    href: str
    is_current: bool
    about: str


@dataclass(frozen=True, slots=True)
class Tab:
    """A group as a template draws it, with what of it is shown to who looks: at least one link."""

    label: str
    links: tuple[Link, ...]

    @property
    def href(self) -> str:
        """Where the tab leads: to the first of its links."""
        return self.links[0].href

    @property
    def is_current(self) -> bool:
        """Whether the page that is shown is one of the tab's."""
        return any(link.is_current for link in self.links)


ENTRIES: tuple[Entry, ...] = (
    Entry(label=_("Overview"), url_name="front", is_shown=_for_strangers),
    Entry(label=_("Accelerators"), url_name="accelerators", is_shown=_for_strangers),
    Entry(label=_("Home"), url_name="home", is_shown=_for_members),
    Entry(label=_("Shelf"), url_name="shelf", is_shown=_for_members),
    Entry(label=_("Orders"), url_name="orders", is_shown=_for_members),
    Entry(label=_("Wallet"), url_name="wallet", is_shown=_for_members),
    Entry(label=_("Provider desk"), url_name="provider", is_shown=_for_providers),
    Entry(label=_("Cases"), url_name="cases", is_shown=_for_applicants),
    Entry(label=_("Organisation"), url_name="organisation", is_shown=_for_members),
    Entry(label=_("Desk"), url_name="desk", is_shown=_for_operators),
    Entry(label=_("The record"), url_name="record", is_shown=_for_strangers),
)


ORGANISATION: tuple[Group, ...] = (
    Group(_("Overview"), (Entry(label=_("Overview"), url_name="organisation"),)),
    Group(
        _("People"),
        (
            Entry(
                label=_("People"), url_name="people", about=_("Who belongs to it, in which role, and who is invited.")
            ),
            Entry(
                label=_("Consents"),
                url_name="own_consents",
                about=_("What the hub may use its data for: nothing unasked."),
            ),
        ),
    ),
    Group(
        pgettext_lazy("tab", "Standing"),
        (
            Entry(
                label=_("Standings"),
                url_name="own_standings",
                about=_("What it is admitted as, since when and until when."),
            ),
            Entry(
                label=_("Evidence"),
                url_name="own_evidence",
                about=_("Documents, given once and shown wherever asked for."),
            ),
            Entry(
                label=_("Ownership"),
                url_name="own_ownership",
                about=_("Who owns it: programmes ask who is related to whom."),
            ),
        ),
    ),
    Group(
        pgettext_lazy("tab", "Money"),
        (
            Entry(
                label=_("Spending"),
                url_name="spending",
                about=_("Projects, budgets, which orders need an approval, and when the wallet is low."),
            ),
            Entry(
                label=_("Invoices"),
                url_name="invoices",
                about=_("What it was charged in each closed month, on paper and as PDF."),
            ),
            Entry(
                label=_("Programmes"),
                url_name="own_programmes",
                about=_("Which vouchers it is entitled to, why or why not, and what would change that."),
            ),
        ),
    ),
    Group(
        pgettext_lazy("tab", "Jobs and programs"),
        (
            Entry(
                label=pgettext_lazy("access", "Tokens"),
                url_name="tokens",
                about=_("Let the command line and programs of yours act for the organisation."),
            ),
            Entry(
                label=_("Secrets"),
                url_name="secrets",
                about=_("Passwords and keys that jobs get and nobody reads again."),
            ),
            Entry(
                label=_("Volumes"),
                url_name="volumes",
                about=_("Folders that outlive jobs and that several of them mount."),
            ),
            Entry(
                label=_("Webhooks"),
                url_name="webhooks",
                is_shown=_for_webhook_managers,
                about=_("Have notices of the organisation sent to a program of yours."),
            ),
        ),
    ),
)
"""What an organisation keeps here: tabs over each of these pages, all under its first address."""

DESK: tuple[Group, ...] = (
    Group(_("What waits"), (Entry(label=_("What waits"), url_name="desk"),)),
    Group(_("Cases"), (Entry(label=_("Cases"), url_name="desk_cases"),)),
    Group(
        pgettext_lazy("tab", "Members"),
        (
            Entry(label=_("Organisations"), url_name="desk_organisations"),
            Entry(label=_("Second factors"), url_name="desk_factor_losses"),
        ),
    ),
    Group(
        pgettext_lazy("tab", "Market"),
        (
            Entry(label=_("Providers"), url_name="desk_providers"),
            Entry(label=_("Pools"), url_name="desk_pools"),
            Entry(label=_("Voucher rules"), url_name="desk_replay"),
            Entry(label=_("Versions handed in"), url_name="desk_rules"),
            Entry(label=_("Money asked back"), url_name="desk_claw_backs"),
        ),
    ),
    Group(
        pgettext_lazy("tab", "Money"),
        (
            Entry(label=_("Ledger"), url_name="desk_ledger"),
            Entry(label=_("The bank"), url_name="desk_bank"),
            Entry(label=_("Invoices"), url_name="desk_invoices"),
            Entry(label=_("Programmes"), url_name="desk_programmes"),
            Entry(label=_("Audit packs"), url_name="desk_packs"),
        ),
    ),
    Group(
        pgettext_lazy("tab", "Messages"),
        (
            Entry(label=_("Dead letters"), url_name="desk_dead_letters"),
            Entry(label=_("Undelivered"), url_name="desk_undelivered"),
        ),
    ),
)
"""What operators work with: tabs over each of these pages, all under the desk's address."""


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
        is_shown=_for_members,
    ),
    FirstStep(
        title=_("Check a receipt"),
        text=_("Every order leaves a receipt. Anybody can recompute it with two short programs, without an account."),
        url_name="verify",
        label=_("Check a receipt"),
    ),
)


def list_first_steps(request: HttpRequest) -> tuple[FirstStep, ...]:
    """Return the next steps of the front page for who looks at it, in their order."""
    return tuple(step for step in FIRST_STEPS if step.is_shown(request))


def list_links(request: HttpRequest, *, entries: Sequence[Entry]) -> list[Link]:
    """Return the entries for whoever asks, in their order; those for everybody where nobody can tell who it is.

    An entry is current on its page and those below it, the first of all on its own alone.
    """
    return [_link(entry, request, is_root=entry is entries[0]) for entry in entries if _is_shown(entry, request)]


def list_tabs(request: HttpRequest, *, groups: Sequence[Group]) -> list[Tab]:
    """Return the groups of which something is shown to whoever asks, in their order."""
    found = [
        Tab(
            label=str(group.label),
            links=tuple(
                _link(entry, request, is_root=group is groups[0])
                for entry in group.entries
                if _is_shown(entry, request)
            ),
        )
        for group in groups
    ]
    return [tab for tab in found if tab.links]


def _link(entry: Entry, request: HttpRequest, *, is_root: bool) -> Link:
    """Return an entry as it is drawn. is_root: all other pages stand below it."""
    href = reverse(entry.url_name)
    is_current = request.path == href or (not is_root and request.path.startswith(f"{href}/"))
    return Link(label=str(entry.label), href=href, is_current=is_current, about=str(entry.about))


def _is_shown(entry: Entry, request: HttpRequest) -> bool:
    try:
        return entry.is_shown(request)
    except DatabaseError:
        return False
