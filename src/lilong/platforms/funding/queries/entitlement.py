"""What organisations are entitled to: their facts, what was used this year, and what each rule says of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache
from importlib.resources import files

from django.conf import settings
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery, Sum

from lilong.common.django.paging import page_newest_first
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.time import find_zone
from lilong.foundation.ledger.public import get_balances
from lilong.foundation.members.public import OrganisationState
from lilong.foundation.members.public.ownership import Admission, find_admission, find_relations
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.funding.core.choosing import Choice, VoucherFacts, choose_vouchers
from lilong.platforms.funding.core.deciding import (
    Granted,
    MemberFacts,
    OfferFacts,
    Purse,
    Refused,
    decide,
)
from lilong.platforms.funding.core.rules import Origin, Purpose, VoucherRule
from lilong.platforms.funding.models import Decision, Declaration, Programme, RuleVersion, Voucher, VoucherUse

ELSEWHERE = "ZZ"
"""A country that is home to no rule."""

USED_UC = "used_uc"


@dataclass(frozen=True, slots=True)
class OfferOrigin:
    """An offer of a quote: the country of its accelerator, empty without one, and the organisation that sells it."""

    offer_id: str
    accelerator_country: str
    provider_organisation_id: str


@dataclass(frozen=True, slots=True)
class DeclarationView:
    """What an organisation declares of itself for voucher rules."""

    country: str
    founded_on: date | None
    head_count: int | None
    purposes: tuple[Purpose, ...]
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class DecisionView:
    """Whether an organisation was given a voucher, by which version of which rule, and why not."""

    id: str
    programme_id: str
    programme_name: str
    organisation_id: str
    rule_version: int
    rule_sha256: str
    amount_uc: int
    voucher_id: str
    code: str
    reason: str
    thresholds: Sequence[Mapping[str, str | int | None]]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Pays:
    """What a rule pays on offers of one origin: a rate, 0 for none, and why."""

    accelerator: Origin
    provider: Origin
    rate_ppm: int
    refused: Refused | None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a programme's rule in force says of one organisation now.

    pays: on each origin that the rule tells apart; year_used_uc: live quotes and orders included; refused: why it
    pays nowhere, None where it pays somewhere.
    """

    programme_id: str
    programme_name: str
    rule: VoucherRule
    rule_version: int
    rule_sha256: str
    available_uc: int
    pays: tuple[Pays, ...]
    year_used_uc: int

    @property
    def refused(self) -> Refused | None:
        """Why it pays nothing on any origin, or None."""
        return find_refusal(pays=self.pays)


def find_hub_zone() -> tzinfo:
    """Return the time zone in which the hub's calendar years begin."""
    return find_zone(name=settings.LILONG.time_zone)


def list_usable(*, organisation_id: str, offers: Sequence[OfferOrigin], now: datetime) -> Choice:
    """Return which vouchers of an organisation would pay for an order quoted now, and why others would not.

    offers: on which; without any, on whatever origin the rules of the vouchers tell apart.

    Four queries and those of ownership, one where there are no vouchers. Vouchers that were returned are left out.
    """
    zone = find_hub_zone()
    uses = _list_year_uses(organisation_id, year=now.astimezone(zone).year)
    of_programme = uses.filter(voucher__programme=OuterRef("programme")).values("voucher__programme")
    open_vouchers = Voucher.objects.filter(organisation_id=organisation_id, closed_at=None)
    rows = list(
        open_vouchers.select_related("programme", "rule")
        .annotate(**{USED_UC: Subquery(of_programme.annotate(sum_uc=Sum("amount_uc")).values("sum_uc"))})
        .order_by("id")
    )
    if not rows:
        return Choice(usable=(), refused=())
    balances = get_balances(account_ids=[row.account_id for row in rows])
    vouchers = [
        VoucherFacts(
            voucher_id=row.id,
            account_id=row.account_id,
            programme_id=row.programme_id,
            programme_account_id=row.programme.account_id,
            rule_version=row.rule.version,
            rule=row.rule.rule,
            purse=Purse(
                available_uc=balances[row.account_id].available_uc,
                reserved_uc=balances[row.account_id].pending_out_uc,
                expires_at=row.expires_at,
            ),
            year_used_uc=int(getattr(row, USED_UC) or 0),
        )
        for row in rows
    ]
    sellers = sorted({offer.provider_organisation_id for offer in offers})
    declared = find_declarations(organisation_ids=[organisation_id, *sellers])
    facts = _trace_offers(organisation_id, offers, declared=declared, now=now) if offers else _imagine_offers(vouchers)
    return choose_vouchers(
        vouchers=vouchers,
        member=see_member(
            admission=find_admission(organisation_id=organisation_id),
            declared=declared.get(organisation_id),
            zone=zone,
        ),
        offers=facts,
        now=now,
        zone=zone,
    )


def list_entitlements(*, actor: Actor, declared: DeclarationView | None, now: datetime) -> list[Entitlement]:
    """Return what each programme's rule in force says of the actor's organisation, by name. Six queries.

    declared: what the organisation declares of itself, from `find_declaration`.
    """
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    zone = find_hub_zone()
    programmes = list(Programme.objects.visible_to(actor).order_by("name"))
    rules = find_rules(programme_ids=[each.id for each in programmes], now=now)
    admission = find_admission(organisation_id=actor.organisation_id)
    member = see_member(admission=admission, declared=declared, zone=zone)
    balances = get_balances(account_ids=[each.account_id for each in programmes])
    used = sum_year_uses(
        organisation_id=actor.organisation_id, programme_ids=list(rules), year=now.astimezone(zone).year
    )
    return [
        Entitlement(
            programme_id=each.id,
            programme_name=each.name,
            rule=rules[each.id].rule,
            rule_version=rules[each.id].version,
            rule_sha256=rules[each.id].sha256,
            available_uc=balances[each.account_id].available_uc,
            pays=list_pays(
                rule=rules[each.id].rule, member=member, year_used_uc=used.get(each.id, 0), now=now, zone=zone
            ),
            year_used_uc=used.get(each.id, 0),
        )
        for each in programmes
    ]


def list_pays(
    *, rule: VoucherRule, member: MemberFacts, year_used_uc: int, now: datetime, zone: tzinfo
) -> tuple[Pays, ...]:
    """Return what a rule pays a member on each origin that it tells apart, whatever voucher there is."""
    asks_accelerator = any(rate.accelerator for rate in rule.rates)
    asks_provider = any(rate.provider for rate in rule.rates)
    found: list[Pays] = []
    for accelerator in tuple(Origin) if asks_accelerator else (Origin.HOME,):
        for provider in (Origin.HOME, Origin.OTHER) if asks_provider else (Origin.HOME,):
            offer = _imagine_offer(rule.jurisdiction, accelerator, provider)
            decision = decide(
                rule=rule, member=member, offer=offer, year_used_uc=year_used_uc, purse=None, now=now, zone=zone
            )
            found.append(
                Pays(
                    accelerator=accelerator,
                    provider=provider,
                    rate_ppm=decision.rate_ppm if isinstance(decision, Granted) else 0,
                    refused=decision if isinstance(decision, Refused) else None,
                )
            )
    return tuple(found)


def find_refusal(*, pays: Sequence[Pays]) -> Refused | None:
    """Return why a rule pays on no origin, the first that it names, or None where it pays on one."""
    return None if any(each.rate_ppm for each in pays) else pays[0].refused


def get_member_facts(*, organisation_id: str, zone: tzinfo) -> MemberFacts:
    """Return an organisation as rules see it: what it last declared, and since when it is here. Two queries."""
    declared = find_declaration(organisation_id=organisation_id)
    return see_member(admission=find_admission(organisation_id=organisation_id), declared=declared, zone=zone)


def find_declaration(*, organisation_id: str) -> DeclarationView | None:
    """Return what an organisation declares of itself now, or None. One query."""
    return find_declarations(organisation_ids=[organisation_id]).get(organisation_id)


def find_declarations(*, organisation_ids: Collection[str]) -> dict[str, DeclarationView]:
    """Return what organisations declare of themselves now, by their ids, without those that never did. One query."""
    newest = Declaration.objects.filter(organisation_id__in=organisation_ids).values("organisation_id")
    rows = Declaration.objects.filter(id__in=newest.annotate(last=Max("id")).values("last"))
    return {row.organisation_id: view_declaration(row=row) for row in rows}


def view_declaration(*, row: Declaration) -> DeclarationView:
    """Return the row as others see it."""
    return DeclarationView(
        country=row.country,
        founded_on=row.founded_on,
        head_count=row.head_count,
        purposes=tuple(Purpose(each) for each in row.purposes),
        declared_at=row.declared_at,
    )


def see_member(*, admission: Admission, declared: DeclarationView | None, zone: tzinfo) -> MemberFacts:
    """Return an organisation as rules see it, from how it is here and what it declares."""
    return MemberFacts(
        is_admitted=admission.state is OrganisationState.ADMITTED,
        since=admission.created_at.astimezone(zone).date(),
        founded_on=declared.founded_on if declared else None,
        head_count=declared.head_count if declared else None,
        purposes=frozenset(declared.purposes) if declared else frozenset(),
    )


def find_rules(*, programme_ids: Collection[str], now: datetime) -> dict[str, RuleVersion]:
    """Return the version in force of each programme's rule, by programme. One query."""
    versions = RuleVersion.objects.filter(programme__in=programme_ids, valid_from__lte=now).order_by("version")
    return {row.programme_id: row for row in versions}


def sum_year_uses(*, organisation_id: str, programme_ids: Collection[str], year: int) -> dict[str, int]:
    """Return what each programme paid for an organisation in a calendar year, live quotes and orders included.

    What is not settled yet counts in every year, so that it cannot exceed a cap in whichever it will be settled.
    One query.
    """
    uses = _list_year_uses(organisation_id, year=year).filter(voucher__programme__in=programme_ids)
    sums = uses.values("voucher__programme").annotate(sum_uc=Sum("amount_uc"))
    return {row["voucher__programme"]: row["sum_uc"] for row in sums}


def _list_year_uses(organisation_id: str, *, year: int) -> QuerySet[VoucherUse]:
    return VoucherUse.objects.filter(Q(year=year) | Q(year=None), voucher__organisation_id=organisation_id)


def list_decisions(*, actor: Actor, cursor: str | None, limit: int) -> Page[DecisionView]:
    """Return a page of decisions on vouchers that were asked for, newest first; operators see all. One query."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = Decision.objects.visible_to(actor).select_related("rule__programme")
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    return Page(
        items=[
            DecisionView(
                id=row.id,
                programme_id=row.rule.programme_id,
                programme_name=row.rule.programme.name,
                organisation_id=row.organisation_id,
                rule_version=row.rule.version,
                rule_sha256=row.rule.sha256,
                amount_uc=row.amount_uc,
                voucher_id=row.voucher_id,
                code=row.code,
                reason=row.reason,
                thresholds=row.thresholds,
                decided_at=row.decided_at,
            )
            for row in page.items
        ],
        next_cursor=page.next_cursor,
    )


@lru_cache(maxsize=1)
def load_examples() -> Mapping[str, str]:
    """Return the rules that come with Lilong as examples, as TOML by name."""
    packs = files("lilong.platforms.funding") / "packs"
    found = sorted(packs.iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in found}


def _trace_offers(
    organisation_id: str,
    offers: Sequence[OfferOrigin],
    *,
    declared: Mapping[str, DeclarationView],
    now: datetime,
) -> list[OfferFacts]:
    """Say where providers declare to be, and look up whether they are related to the organisation."""
    sellers = sorted({offer.provider_organisation_id for offer in offers})
    countries = {seller: declared[seller].country for seller in sellers if seller in declared}
    relations = find_relations(first_id=organisation_id, other_ids=sellers, day=now.date())
    names = name_organisations(organisation_ids=[relation.holder for relation in relations.values()])
    related_by = {each: names.get(relation.holder, "the same owner") for each, relation in relations.items()}
    return [
        OfferFacts(
            offer_id=offer.offer_id,
            accelerator_country=offer.accelerator_country,
            provider_country=countries.get(offer.provider_organisation_id, ""),
            related_by=related_by.get(offer.provider_organisation_id, ""),
        )
        for offer in offers
    ]


def _imagine_offers(vouchers: Sequence[VoucherFacts]) -> list[OfferFacts]:
    """Return an offer of each origin that the rules of these vouchers could tell apart."""
    countries = [*dict.fromkeys(voucher.rule.jurisdiction or ELSEWHERE for voucher in vouchers), ELSEWHERE]
    return [
        OfferFacts(f"{accelerator}/{provider}", accelerator, provider)
        for accelerator in ("", *countries)
        for provider in countries
    ]


def _imagine_offer(jurisdiction: str, accelerator: Origin, provider: Origin) -> OfferFacts:
    countries = {Origin.HOME: jurisdiction or ELSEWHERE, Origin.OTHER: ELSEWHERE, Origin.NONE: ""}
    return OfferFacts(f"{accelerator}/{provider}", countries[accelerator], countries[provider])
