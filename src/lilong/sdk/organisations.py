"""Organisations, and who acts by a token."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from lilong.sdk.evidence import Document
from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.tokens import NewToken


class StandingPeriod(Answer):
    """What an organisation is at the hub, from `starts_on` until the day before `ends_on`."""

    kind: str
    starts_on: date
    ends_on: date | None = None


class Standing(StandingPeriod):
    """A standing with what it is known by and why it was granted."""

    id: str
    holds_today: bool
    reason: str
    granted_at: datetime


class StandingOffer(Answer):
    """What an organisation can ask to be, for how many days; kinds of documents that lack, documents it would show."""

    kind: str
    days: int
    lacking: tuple[str, ...]
    shown: tuple[Document, ...]


class StandingApplication(Answer):
    """What an organisation asks to be, and the case that decides."""

    id: str
    kind: str
    case_id: str
    applied_at: datetime


class Organisation(Answer):
    """An organisation; state: applied, admitted or suspended. What it is at the hub, its standings say."""

    id: str
    name: str
    kind: str
    state: str
    created_at: datetime
    standings: tuple[StandingPeriod, ...] = ()


class OwnershipShare(Answer):
    """A declared share; holder is an id of the hub, or `outside:` and a registration number."""

    id: str
    holder_kind: str
    holder: str
    name: str = ""
    registration_number: str = ""
    share_ppm: int
    starts_on: date
    ends_on: date | None = None
    declared_by: str
    declared_at: datetime


class Related(Answer):
    """Whether two organisations are related: who holds how much of both, by which rule."""

    related: bool
    holder: str
    first_ppm: int
    second_ppm: int
    threshold_ppm: int
    rule_name: str
    rule_version: str
    rule_sha256: str


class _Declared(Answer):
    items: tuple[OwnershipShare, ...]


class _StandingOffers(Answer):
    items: tuple[StandingOffer, ...]


class _StandingApplications(Answer):
    items: tuple[StandingApplication, ...]


class _Applied(Answer):
    case_id: str


class SignedUp(Answer):
    """A fresh organisation with its owner's token."""

    organisation_id: str
    person_id: str
    membership_id: str
    token: NewToken


class Me(Answer):
    """Who acts by the token in use."""

    person_id: str
    name: str
    email: str
    organisation: Organisation
    role: str
    scopes: tuple[str, ...]
    token_id: str


class Organisations(Noun):
    """Found organisations and look at them."""

    def sign_up(self, *, name: str, owner_email: str, owner_name: str, kind: str = "resident") -> SignedUp:
        """Found an organisation that applies for admission. Needs no token."""
        body = {"name": name, "kind": kind, "owner_email": owner_email, "owner_name": owner_name}
        return self._post(SignedUp, address("organisations"), json=body)

    def found(self, *, name: str = "", kind: str = "maker") -> SignedUp:
        """Found another organisation of one's own, which applies for admission; a maker may have one's own name."""
        return self._post(SignedUp, address("me", "organisations"), json={"name": name, "kind": kind})

    def get_me(self) -> Me:
        """Return who acts by the token in use."""
        return self._get(Me, address("me"))

    def get(self, organisation_id: str) -> Organisation:
        """Return one's own organisation; an operator gets any."""
        return self._get(Organisation, address("organisations", organisation_id))

    def list(self) -> Iterator[Organisation]:
        """Yield every organisation, newest first; for operators."""
        return self._list(Organisation, address("organisations"))

    def suspend(self, organisation_id: str, *, reason: str) -> None:
        """Keep an organisation from ordering; for operators."""
        self._do("POST", address("organisations", organisation_id, "suspend"), json={"reason": reason})

    def reinstate(self, organisation_id: str, *, reason: str) -> None:
        """Let a suspended organisation order again; for operators."""
        self._do("POST", address("organisations", organisation_id, "reinstate"), json={"reason": reason})

    def list_standings(self, organisation_id: str) -> Iterator[Standing]:
        """Yield what an organisation is, was and will be at the hub, those granted last first."""
        return self._list(Standing, address("organisations", organisation_id, "standings"))

    def list_standing_offers(self) -> tuple[StandingOffer, ...]:
        """Return what one's own organisation can ask to be, by the published rule."""
        return self._get(_StandingOffers, address("standing-offers")).items

    def list_standing_applications(self) -> tuple[StandingApplication, ...]:
        """Return what one's own organisation asks to be and nobody has decided yet."""
        return self._get(_StandingApplications, address("standing-applications")).items

    def apply_for_standing(self, *, kind: str, reason: str) -> str:
        """Ask to be something more at the hub, or for longer; return the id of the case that decides."""
        body = {"kind": kind, "reason": reason}
        return self._post(_Applied, address("standing-applications"), json=body).case_id

    def grant_standing(
        self,
        organisation_id: str,
        *,
        kind: str,
        reason: str,
        starts_on: date | None = None,
        ends_on: date | None = None,
    ) -> Standing:
        """Grant an admitted organisation a standing, from today on unless said otherwise; for operators."""
        days = {"starts_on": starts_on, "ends_on": ends_on}
        body = {"kind": kind, "reason": reason} | {name: str(day) for name, day in days.items() if day}
        return self._post(Standing, address("organisations", organisation_id, "standings"), json=body)

    def end_standing(self, organisation_id: str, standing_id: str, *, ends_on: date, reason: str) -> Standing:
        """Set the first day on which a standing holds no more; for operators. What runs goes on."""
        path = address("organisations", organisation_id, "standings", standing_id, "end")
        return self._post(Standing, path, json={"ends_on": str(ends_on), "reason": reason})

    def declare_ownership(
        self, owners: Sequence[Mapping[str, str | int]], *, starts_on: date | None = None
    ) -> tuple[OwnershipShare, ...]:
        """State who owns one's own organisation from a day on, today unless said; what was declared before ends there.

        Each owner has `share_ppm` and an `organisation_id`, or a member's `person_id`, or a `name` with a
        `registration_number`.
        """
        body: dict[str, object] = {"owners": [dict(owner) for owner in owners]}
        if starts_on:
            body["starts_on"] = str(starts_on)
        return self._post(_Declared, address("ownership"), json=body).items

    def list_ownership(self, organisation_id: str) -> Iterator[OwnershipShare]:
        """Yield what an organisation declared about its owners, newest first; ended shares, too."""
        return self._list(OwnershipShare, address("organisations", organisation_id, "ownership"))

    def check_related(self, organisation_id: str, other_id: str) -> Related:
        """Say whether two organisations are related parties today, why, and by which rule; for operators."""
        return self._get(Related, address("organisations", organisation_id, "related", other_id))
