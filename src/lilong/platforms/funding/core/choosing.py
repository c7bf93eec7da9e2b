"""Which of a member's vouchers pay for an order, in which order, at which rate on which offer, and why not others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from lilong.common.errors import FieldProblem
from lilong.common.money import PPM
from lilong.common.sentences import say
from lilong.platforms.funding.core.deciding import (
    Code,
    Granted,
    MemberFacts,
    OfferFacts,
    Purse,
    Refused,
    decide,
    explain,
)
from lilong.platforms.funding.core.rules import Stacking, VoucherRule
from lilong.platforms.funding.core.split import Share


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    """One voucher as it stands now, with the rule that it was issued under.

    year_used_uc: what its programme paid for the member this calendar year, live quotes and orders included.
    """

    voucher_id: str
    account_id: str
    programme_id: str
    programme_account_id: str
    rule_version: int
    rule: VoucherRule
    purse: Purse
    year_used_uc: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A voucher that pays, with what it carries of one order that is quoted now."""

    voucher: VoucherFacts
    share: Share


@dataclass(frozen=True, slots=True)
class Choice:
    """The vouchers that pay, in the order in which they pay, and for every other one why not.

    limited: of vouchers that pay, on which offers they pay nothing, and why.
    """

    usable: tuple[Chosen, ...]
    refused: tuple[tuple[str, FieldProblem], ...]
    limited: tuple[FieldProblem, ...] = ()


Decisions = Mapping[str, Granted | Refused]


def choose_vouchers(
    *,
    vouchers: Sequence[VoucherFacts],
    member: MemberFacts,
    offers: Sequence[OfferFacts],
    now: datetime,
    zone: tzinfo,
) -> Choice:
    """Choose which vouchers pay for one order: by priority, then the earliest to expire; 100 % in sum on each offer.

    Of each programme one pays, the first that pays on any offer, so that a yearly cap binds the whole order. On each
    offer either the vouchers pay that combine, or the one with the highest rate pays alone, whichever carries more.
    Every refusal says why and what would make it pass. Cost: n log n in vouchers times offers.
    """
    refused: dict[str, Refused] = {}
    candidates: list[tuple[VoucherFacts, Decisions]] = []
    decisions: Decisions
    for voucher in sorted(vouchers, key=_order_key):
        decisions = {each.offer_id: _decide(voucher, member, each, now=now, zone=zone) for each in offers}
        if not any(isinstance(decision, Granted) for decision in decisions.values()):
            refused[voucher.voucher_id] = next(each for each in decisions.values() if isinstance(each, Refused))
        elif any(voucher.programme_id == other.programme_id for other, _ in candidates):
            refused[voucher.voucher_id] = Refused(Code.PROGRAMME_PAYS_ALREADY)
        else:
            candidates.append((voucher, decisions))
    rates, beaten = _rate_offers(candidates, offers)
    usable: list[Chosen] = []
    limited: list[FieldProblem] = []
    for voucher, decisions in candidates:
        if any(rates[voucher.voucher_id].values()):
            usable.append(Chosen(voucher=voucher, share=_share(decisions, rates[voucher.voucher_id], offers)))
            limited += _list_limits(voucher.voucher_id, decisions)
        else:
            refused[voucher.voucher_id] = Refused(beaten[voucher.voucher_id])
    problems = tuple((voucher_id, _problem(voucher_id, why)) for voucher_id, why in refused.items())
    return Choice(usable=tuple(usable), refused=problems, limited=tuple(limited))


def _order_key(voucher: VoucherFacts) -> tuple[int, datetime, str]:
    return -voucher.rule.priority, voucher.purse.expires_at, voucher.voucher_id


def _decide(
    voucher: VoucherFacts, member: MemberFacts, offer: OfferFacts, *, now: datetime, zone: tzinfo
) -> Granted | Refused:
    return decide(
        rule=voucher.rule,
        member=member,
        offer=offer,
        year_used_uc=voucher.year_used_uc,
        purse=voucher.purse,
        now=now,
        zone=zone,
    )


def _rate_offers(
    candidates: Sequence[tuple[VoucherFacts, Decisions]], offers: Sequence[OfferFacts]
) -> tuple[dict[str, dict[str, int]], dict[str, Code]]:
    """Return what each candidate pays on each offer, and of those that pay nowhere what outdid them."""
    rates: dict[str, dict[str, int]] = {voucher.voucher_id: {} for voucher, _ in candidates}
    beaten: dict[str, Code] = {}
    for offer in offers:
        granted = [
            (voucher, decision.rate_ppm)
            for voucher, decisions in candidates
            if isinstance(decision := decisions[offer.offer_id], Granted)
        ]
        combining = [each for each in granted if each[0].rule.stacking is Stacking.COMBINES]
        alone = [each for each in granted if each[0].rule.stacking is Stacking.HIGHEST_ALONE]
        together_ppm = min(sum(rate_ppm for _, rate_ppm in combining), PPM)
        best = max(alone, key=lambda each: each[1], default=None)
        paying = [best] if best is not None and best[1] > together_ppm else combining
        left_ppm = PPM
        for voucher, rate_ppm in paying:
            rates[voucher.voucher_id][offer.offer_id] = rate_ppm if left_ppm else 0
            beaten[voucher.voucher_id] = Code.PRICE_CARRIED
            left_ppm -= min(rate_ppm, left_ppm)
        for voucher, _ in granted:
            beaten.setdefault(voucher.voucher_id, Code.HIGHER_RATE_PAYS)
    return rates, beaten


def _share(decisions: Decisions, rates: Mapping[str, int], offers: Sequence[OfferFacts]) -> Share:
    """Return the share: one rate for all offers, and those that have another by their ids."""
    cap_uc = min(decision.cap_uc for decision in decisions.values() if isinstance(decision, Granted))
    rate_ppm = max(rates.values())
    others = {each.offer_id: rates.get(each.offer_id, 0) for each in offers}
    return Share(
        rate_ppm=rate_ppm,
        cap_uc=cap_uc,
        other_rates_ppm={offer_id: ppm for offer_id, ppm in others.items() if ppm != rate_ppm},
    )


def _list_limits(voucher_id: str, decisions: Decisions) -> list[FieldProblem]:
    limits: dict[FieldProblem, None] = {}
    for offer_id, decision in decisions.items():
        if isinstance(decision, Refused):
            text = say(
                "Voucher {voucher_id} pays nothing there. {why}",
                voucher_id=voucher_id,
                why=explain(refused=decision),
            )
            limits[FieldProblem(path=f"offers.{offer_id}", code=decision.code.value, message=text)] = None
    return list(limits)


def _problem(voucher_id: str, refused: Refused) -> FieldProblem:
    return FieldProblem(path=f"vouchers.{voucher_id}", code=refused.code.value, message=explain(refused=refused))
