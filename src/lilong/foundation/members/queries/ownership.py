"""Reads of who owns what, as declared."""

import tomllib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from django.db.models import Q

from lilong.common.canonical import sha256_hex
from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.money import PPM
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.ownership import (
    CHAIN_MAX,
    HolderKind,
    RelatedRule,
    Relation,
    Share,
    find_relation,
)
from lilong.foundation.members.models import Membership, Organisation, OwnershipShare

RULE_FILE = "related-1.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipView:
    """A declared share; holder is an organisation's or person's id, or `outside:` and a register's number."""

    id: str
    holder_kind: HolderKind
    holder: str
    name: str
    registration_number: str
    share_ppm: int
    starts_on: date
    ends_on: date | None
    declared_by: str
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class RelatedAnswer:
    """Whether two organisations are related, why, and by which rule."""

    relation: Relation | None
    rule: RelatedRule


@dataclass(frozen=True, slots=True)
class DatedShare:
    """A share as it was declared. ends_on: the first day on which it is no more; None while it goes on."""

    share: Share
    starts_on: date
    ends_on: date | None

    def is_in_force(self, day: date) -> bool:
        """Say whether it counts on a day."""
        return self.starts_on <= day and (self.ends_on is None or day < self.ends_on)


class OwnershipHistory:
    """All that was ever declared, for who asks of many pairs and days; says what `find_relations` says."""

    def __init__(self, *, shares: Sequence[DatedShare], threshold_ppm: int) -> None:
        self._threshold_ppm = threshold_ppm
        self._by_held: defaultdict[str, list[DatedShare]] = defaultdict(list)
        for each in shares:
            self._by_held[each.share.held].append(each)

    def find_relation(self, *, first_id: str, second_id: str, day: date) -> Relation | None:
        """Return why two organisations were related on a day, or None. Cost: linear in the shares above them."""
        shares: list[Share] = []
        seen: set[str] = set()
        frontier = {first_id, second_id}
        for _ in range(CHAIN_MAX):
            seen |= frontier
            found = [each.share for held in frontier for each in self._by_held.get(held, ()) if each.is_in_force(day)]
            shares += found
            frontier = {share.holder for share in found} - seen
        return find_relation(first=first_id, second=second_id, shares=shares, threshold_ppm=self._threshold_ppm)


@lru_cache(maxsize=1)
def load_related_rule() -> RelatedRule:
    """Return the rule in force, with the hash of the file that it is read from."""
    content = (files("lilong.foundation.members") / "rules" / RULE_FILE).read_bytes()
    rule = tomllib.loads(content.decode())
    return RelatedRule(
        name=rule["name"],
        version=rule["version"],
        sha256=sha256_hex(content),
        threshold_ppm=rule["threshold_ppm"],
    )


def list_ownership(*, actor: Actor, organisation_id: str, cursor: str | None, limit: int) -> Page[OwnershipView]:
    """Return what an organisation declared, newest first, ended shares too; one's own, or for operators any."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    if not Organisation.objects.visible_to(actor).filter(id=organisation_id).exists():
        raise NotFound(detail=say("There is no organisation {organisation_id}.", organisation_id=organisation_id[:64]))
    page = page_newest_first(OwnershipShare.objects.filter(organisation_id=organisation_id), cursor=cursor, limit=limit)
    return Page(items=[view_share(row=row) for row in page.items], next_cursor=page.next_cursor)


def list_declared(*, actor: Actor) -> list[OwnershipView]:
    """Return what the actor's organisation declares now, the largest share first. One query."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = OwnershipShare.objects.filter(organisation_id=actor.organisation_id, ends_on=None)
    return [view_share(row=row) for row in rows.order_by("-share_ppm", "id")]


def are_related(*, first_id: str, second_id: str, day: date) -> RelatedAnswer:
    """Say whether two organisations were related on a day, by declared shares and by owners in both.

    For rooms that forbid dealings between related parties; keep the answer's rule with the decision.
    At most 2 · CHAIN_MAX queries, mostly four.
    """
    relation = find_relations(first_id=first_id, other_ids=[second_id], day=day).get(second_id)
    return RelatedAnswer(relation=relation, rule=load_related_rule())


def find_relations(*, first_id: str, other_ids: Collection[str], day: date) -> dict[str, Relation]:
    """Return to which of the others an organisation was related on a day, and why, by their ids.

    As many queries as for two of them.
    """
    threshold_ppm = load_related_rule().threshold_ppm
    shares = _load_shares([first_id, *other_ids], day)
    relations = {
        other_id: find_relation(first=first_id, second=other_id, shares=shares, threshold_ppm=threshold_ppm)
        for other_id in other_ids
    }
    return {other_id: relation for other_id, relation in relations.items() if relation is not None}


def load_ownership_history() -> OwnershipHistory:
    """Return who owned what on any day. Two queries. Memory: linear in all declared shares and owners."""
    shares = [
        DatedShare(
            Share(holder=row.holder, held=row.organisation_id, share_ppm=row.share_ppm), row.starts_on, row.ends_on
        )
        for row in OwnershipShare.objects.order_by("id").iterator()
    ]
    owners = Membership.objects.filter(role=Role.OWNER).order_by("id")
    for person_id, organisation_id, joined_at, left_at in owners.values_list(
        "person_id", "organisation_id", "joined_at", "left_at"
    ).iterator():
        ends_on = left_at.astimezone(UTC).date() + timedelta(days=1) if left_at else None
        share = Share(holder=person_id, held=organisation_id, share_ppm=PPM)
        shares.append(DatedShare(share, joined_at.astimezone(UTC).date(), ends_on))
    return OwnershipHistory(shares=shares, threshold_ppm=load_related_rule().threshold_ppm)


def check_related(*, actor: Actor, first_id: str, second_id: str, now: datetime) -> RelatedAnswer:
    """Say it to an operator who asks; raises NotFound for an organisation that is not there."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    found = set(Organisation.objects.filter(id__in=[first_id, second_id]).values_list("id", flat=True))
    missing = [each for each in (first_id, second_id) if each not in found]
    if missing:
        raise NotFound(detail=say("There is no organisation {organisation_id}.", organisation_id=missing[0][:64]))
    return are_related(first_id=first_id, second_id=second_id, day=now.date())


def view_share(*, row: OwnershipShare) -> OwnershipView:
    """Return the row as others see it."""
    return OwnershipView(
        id=row.id,
        holder_kind=HolderKind(row.holder_kind),
        holder=row.holder,
        name=row.name,
        registration_number=row.registration_number,
        share_ppm=row.share_ppm,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        declared_by=row.declared_by,
        declared_at=row.declared_at,
    )


def _load_shares(organisation_ids: Sequence[str], day: date) -> list[Share]:
    """Return all shares that lead up from these organisations, one step after the other."""
    shares: list[Share] = []
    seen: set[str] = set()
    frontier = set(organisation_ids)
    for _ in range(CHAIN_MAX):
        if not frontier:
            break
        seen |= frontier
        rows = OwnershipShare.objects.filter(Q(ends_on=None) | Q(ends_on__gt=day), starts_on__lte=day)
        found = list(rows.filter(organisation_id__in=frontier))
        shares += [Share(holder=row.holder, held=row.organisation_id, share_ppm=row.share_ppm) for row in found]
        # Who joined after the day or left before it did not own on it; the day of leaving still counts.
        owners = Membership.objects.filter(
            Q(left_at=None) | Q(left_at__date__gte=day),
            organisation_id__in=frontier,
            role=Role.OWNER,
            joined_at__date__lte=day,
        )
        shares += [
            Share(holder=person_id, held=organisation_id, share_ppm=PPM)
            for person_id, organisation_id in owners.values_list("person_id", "organisation_id").distinct()
        ]
        frontier = {row.holder for row in found if row.holder_kind == HolderKind.ORGANISATION} - seen
    return shares
