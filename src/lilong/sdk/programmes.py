"""Programmes that fund vouchers, and vouchers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from pydantic import Field, JsonValue

from lilong.common.time import format_moment
from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.programme_reports import ProgrammeReport


class Rate(Answer):
    """A share of the price in ppm where all of its conditions hold."""

    rate_ppm: int
    accelerator: str | None = None
    provider: str | None = None
    age_months_below: int | None = None
    head_count_at_most: int | None = None
    purposes: tuple[str, ...] = ()


class ClawBack(Answer):
    """Within how many months a programme may ask for its money back, and for what."""

    within_months: int
    reasons: tuple[str, ...]


class Words(Answer):
    """One text in English and Chinese."""

    en: str
    zh: str


class Source(Answer):
    """Where a rule is published."""

    title: str
    link: str
    published_on: date | None = None


class About(Answer):
    """What people read of a programme; an example is modelled on its sources and nobody's order."""

    name: Words
    purpose: Words
    sources: tuple[Source, ...] = ()
    is_example: bool = False


class VoucherRule(Answer):
    """What a programme's vouchers carry; docs/reference/voucher-rules.md tells every field."""

    rate_ppm: int
    cap_uc: int
    expires_in_days: int
    starter_uc: int = 0
    rates: tuple[Rate, ...] = ()
    jurisdiction: str = ""
    earmark: str = "compute"
    year_cap_uc: int | None = None
    year_budget_uc: int | None = None
    priority: int = 0
    stacking: str = "combines"
    claw_back: ClawBack | None = None
    about: About | None = None


class Programme(Answer):
    """A programme, its rule in force and what its fund holds."""

    id: str
    name: str
    account_id: str
    rule: VoucherRule
    rule_version: int
    rule_sha256: str
    available_uc: int


class Threshold(Answer):
    """How far a fact is from what a rule asks; distance where both are figures."""

    condition: str
    wanted: str
    actual: str
    distance: int | None = None


class Pays(Answer):
    """What a rule pays on offers of one origin: a rate, or why none and what would make it pass."""

    accelerator: str
    provider: str
    rate_ppm: int
    code: str
    message: str
    thresholds: tuple[Threshold, ...]


class Entitlement(Answer):
    """What a programme's rule says of the organisation now. year_used_uc: live quotes and orders included."""

    programme_id: str
    programme_name: str
    rule: VoucherRule
    rule_version: int
    rule_sha256: str
    available_uc: int
    is_entitled: bool
    year_used_uc: int
    pays: tuple[Pays, ...]


class Decision(Answer):
    """Whether a voucher was given, by which version of the rule, and if not, why."""

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
    thresholds: tuple[Threshold, ...]
    decided_at: datetime


class Example(Answer):
    """A rule that comes as an example, as TOML."""

    name: str
    pack: str


class Voucher(Answer):
    """A voucher as it stands."""

    id: str
    programme_id: str
    programme_name: str
    organisation_id: str
    account_id: str
    rate_ppm: int
    cap_uc: int
    rule_version: int
    issued_uc: int
    available_uc: int
    reserved_uc: int
    issued_at: datetime
    expires_at: datetime
    starter: bool
    closed_at: datetime | None = None


class UsableVouchers(Answer):
    """Ids of the vouchers that would pay for an order now, in the order in which they pay."""

    usable: tuple[str, ...] = Field(default=())


class Paid(Answer):
    """Who would have paid for settled orders, and who did: vouchers of the draft, and all others."""

    orders: int
    due_uc: int
    draft_uc: int
    draft_was_uc: int
    others_uc: int
    others_were_uc: int


class PaidInMonth(Paid):
    """A month of settlements."""

    month: str


class Change(Paid):
    """An organisation that gains, or below zero loses."""

    organisation_id: str
    gain_uc: int


class Count(Answer):
    """How many, and how much together."""

    number: int
    amount_uc: int


class RefusedOrders(Count):
    """Orders on which the draft pays nothing, why, and what was due for them."""

    code: str


class CutOrders(Count):
    """Orders on which a clause kept the draft from paying all that its rate says, and how much."""

    clause: str


class Quarters(Answer):
    """How the gains of all organisations are spread."""

    least_uc: int
    lower_quarter_uc: int
    median_uc: int
    upper_quarter_uc: int
    most_uc: int


class ChangedOrganisations(Answer):
    """How many organisations gain and lose, and how much together."""

    gaining: Count
    losing: Count
    unchanged: int
    quarters: Quarters | None = None


class Replay(Answer):
    """What a rule would have cost, if everybody had done what they did."""

    form: str
    assumes: str
    total: Paid
    kept: Paid
    months: tuple[PaidInMonth, ...]
    organisations: ChangedOrganisations
    changes: tuple[Change, ...]
    refused: tuple[RefusedOrders, ...]
    cut: tuple[CutOrders, ...]
    without_voucher: Count
    withheld: Count


class _Entitlements(Answer):
    items: tuple[Entitlement, ...]


class _Examples(Answer):
    items: tuple[Example, ...]


class _CaseOpened(Answer):
    case_id: str


class Programmes(Noun):
    """Say what programmes pay; for operators: create them, fund them, change their rule.

    A rule is given as a `VoucherRule`, or as what a TOML file of one says.
    """

    def create(self, *, name: str, rule: VoucherRule | Mapping[str, JsonValue]) -> str:
        """Create a programme with an empty fund and return its id."""
        return self._create(address("programmes"), json={"name": name, "rule": _dump(rule)})

    def list(self) -> Iterator[Programme]:
        """Yield the programmes with their published rules, newest first."""
        return self._list(Programme, address("programmes"))

    def list_entitlements(self) -> tuple[Entitlement, ...]:
        """Return of each programme whether the organisation is entitled now, why or why not, and what it would pay."""
        return self._get(_Entitlements, address("programmes", "entitlements")).items

    def list_decisions(self) -> Iterator[Decision]:
        """Yield the decisions on vouchers of the organisation, newest first; operators get all."""
        return self._list(Decision, address("programmes", "decisions"))

    def list_examples(self) -> tuple[Example, ...]:
        """Return the voucher rules that come as examples."""
        return self._get(_Examples, address("programmes", "examples")).items

    def declare(
        self,
        *,
        country: str = "",
        founded_on: date | None = None,
        head_count: int | None = None,
        purposes: Sequence[str] = (),
    ) -> None:
        """Declare of the organisation what voucher rules ask; what is left out is declared no more."""
        body = {
            "country": country,
            "founded_on": founded_on.isoformat() if founded_on else None,
            "head_count": head_count,
            "purposes": list(purposes),
        }
        self._do("POST", address("programmes", "declarations"), json=body)

    def propose_rule(self, programme_id: str, *, pack: str, valid_from: datetime) -> str:
        """Hand in the next version of the rule, as the text of its file; return the id of the case that decides.

        valid_from: aware; issued vouchers keep their version.
        """
        body = {"pack": pack, "valid_from": valid_from.isoformat()}
        return self._post(_CaseOpened, address("programmes", programme_id, "rules"), json=body).case_id

    def replay(
        self,
        *,
        rule: VoucherRule | Mapping[str, JsonValue],
        begins_on: date,
        ends_on: date,
        programme_id: str = "",
    ) -> Replay:
        """Return what a rule would have cost for the orders settled from a day on and before another, of UTC.

        programme_id: whose vouchers carry it instead of their own rule; without it, as a programme of its own of which
        every organisation has a voucher. Nothing is published; it assumes that everybody would have done what they did.
        """
        body = {
            "rule": _dump(rule),
            "programme_id": programme_id,
            "begins_on": begins_on.isoformat(),
            "ends_on": ends_on.isoformat(),
        }
        return self._post(Replay, address("programmes", "replays"), json=body)

    def report(self, programme_id: str, *, at: datetime | None = None) -> ProgrammeReport:
        """Return what became of a programme's money until a moment, or until now; nothing later changes it."""
        query = {"at": format_moment(at)} if at else {}
        return self._get(ProgrammeReport, address("programmes", programme_id, "report"), params=query)

    def fund(self, programme_id: str, *, amount_uc: int, reference: str) -> str:
        """Ask for a payment to be entered into the fund and return the id of the case that two others decide."""
        body = {"amount_uc": amount_uc, "reference": reference}
        return self._post(_CaseOpened, address("programmes", programme_id, "fund"), json=body).case_id


class Vouchers(Noun):
    """Issue vouchers and look at them."""

    def issue(self, *, programme_id: str, organisation_id: str, amount_uc: int) -> str:
        """Issue a voucher out of a programme's fund and return its id; for operators."""
        body = {"programme_id": programme_id, "organisation_id": organisation_id, "amount_uc": amount_uc}
        return self._create(address("vouchers"), json=body)

    def list(self) -> Iterator[Voucher]:
        """Yield the organisation's vouchers, newest first; operators get all."""
        return self._list(Voucher, address("vouchers"))

    def get_usable(self) -> UsableVouchers:
        """Return which vouchers would pay for an order quoted now."""
        return self._get(UsableVouchers, address("vouchers", "usable"))


def _dump(rule: VoucherRule | Mapping[str, JsonValue]) -> JsonValue:
    return rule.model_dump(mode="json") if isinstance(rule, VoucherRule) else dict(rule)
