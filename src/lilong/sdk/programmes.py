"""Programmes that fund vouchers, and vouchers."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from lilong.sdk.noun import Answer, Noun, address


class VoucherRule(Answer):
    """Share of the price in ppm, most per order, life in days, worth of a starter voucher (0: none)."""

    rate_ppm: int
    cap_uc: int
    expires_in_days: int
    starter_uc: int = 0


class Programme(Answer):
    """A programme, its rule in force and what its fund holds."""

    id: str
    name: str
    account_id: str
    rule: VoucherRule
    rule_version: int
    available_uc: int


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


class _CaseOpened(Answer):
    case_id: str


class _RulePublished(Answer):
    version: int


class Programmes(Noun):
    """Create programmes, fund them, change their rule; for operators."""

    def create(self, *, name: str, rule: VoucherRule) -> str:
        """Create a programme with an empty fund and return its id."""
        return self._create(address("programmes"), json={"name": name, "rule": rule.model_dump()})

    def list(self) -> Iterator[Programme]:
        """Yield the programmes with their published rules, newest first."""
        return self._list(Programme, address("programmes"))

    def publish_rule(self, programme_id: str, *, rule: VoucherRule) -> int:
        """Publish the next version of the rule and return its number; issued vouchers keep theirs."""
        path = address("programmes", programme_id, "rules")
        return self._post(_RulePublished, path, json=rule.model_dump()).version

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
