"""Money: accounts and what went through them, top-ups, pay-outs, and the operator's view of the books."""

from collections.abc import Iterator
from datetime import date, datetime

from lilong.sdk.noun import Answer, Noun, address


class Balance(Answer):
    """What an account holds, in micro-credits."""

    posted_uc: int
    pending_out_uc: int
    pending_in_uc: int
    available_uc: int


class Account(Answer):
    """An account with its balance."""

    id: str
    kind: str
    owner_id: str
    purpose: str
    balance: Balance


class Transfer(Answer):
    """A transfer as it stands in the books."""

    id: str
    group_id: str
    kind: str
    debit_account: str
    credit_account: str
    debit_kind: str
    credit_kind: str
    amount_uc: int
    pending_id: str | None = None
    code: str
    subject: str
    effective_at: datetime


class TopUp(Answer):
    """Money that came in outside, on its way into a wallet."""

    id: str
    organisation_id: str
    amount_uc: int
    reference: str
    case_id: str
    state: str


class PayOut(Answer):
    """Earned money on its way out; instruction: what has to be done outside once it is approved."""

    id: str
    organisation_id: str
    amount_uc: int
    beneficiary: str
    case_id: str
    state: str
    instruction: str
    bank_reference: str


class Difference(Answer):
    """One place where the books contradict their transfers."""

    where: str
    stored: str
    recomputed: str


class Verification(Answer):
    """What was recomputed, and each difference."""

    accounts: int
    transfers: int
    is_balanced: bool
    differences: tuple[Difference, ...]


class _CaseOpened(Answer):
    case_id: str


class Wallet(Noun):
    """The organisation's accounts and what moves in them."""

    def list_accounts(self) -> Iterator[Account]:
        """Yield the organisation's accounts, oldest first; operators get all."""
        return self._list(Account, address("accounts"))

    def list_transfers(self, account_id: str) -> Iterator[Transfer]:
        """Yield what went into and out of an account, with holds, latest first."""
        return self._list(Transfer, address("accounts", account_id, "transfers"))

    def request_top_up(self, *, amount_uc: int, reference: str, organisation_id: str = "") -> str:
        """Ask for money that came in outside to be entered; return the id of the case that two others decide."""
        body = {"amount_uc": amount_uc, "reference": reference, "organisation_id": organisation_id}
        return self._post(_CaseOpened, address("top-ups"), json=body).case_id

    def list_top_ups(self) -> Iterator[TopUp]:
        """Yield the organisation's top-ups, newest first; operators get all."""
        return self._list(TopUp, address("top-ups"))

    def request_pay_out(self, *, amount_uc: int, beneficiary: str, organisation_id: str = "") -> PayOut:
        """Ask for earned money to be paid out once two people of the hub approve; it is held at once."""
        body = {"amount_uc": amount_uc, "beneficiary": beneficiary, "organisation_id": organisation_id}
        return self._post(PayOut, address("pay-outs"), json=body)

    def list_pay_outs(self) -> Iterator[PayOut]:
        """Yield the organisation's pay-outs, newest first; operators get all."""
        return self._list(PayOut, address("pay-outs"))

    def confirm_pay_out(self, pay_out_id: str, *, bank_reference: str) -> PayOut:
        """Note that an approved pay-out was sent; for operators."""
        path = address("pay-outs", pay_out_id, "sent")
        return self._post(PayOut, path, json={"bank_reference": bank_reference})

    def download_focus(self, *, begins_on: date, ends_on: date) -> bytes:
        """Return what the organisation was charged from a day on and before another, of UTC, as FOCUS 1.2 in CSV."""
        return self._download("focus", begins_on=begins_on, ends_on=ends_on)

    def download_beancount(self, *, begins_on: date, ends_on: date) -> bytes:
        """Return the organisation's books from a day on and before another, of UTC, as a Beancount file."""
        return self._download("beancount", begins_on=begins_on, ends_on=ends_on)

    def _download(self, form: str, *, begins_on: date, ends_on: date) -> bytes:
        params = {"begins_on": begins_on.isoformat(), "ends_on": ends_on.isoformat()}
        return self._transport.request("GET", address("statements", form), params=params).content

    def verify_ledger(self) -> Verification:
        """Recompute every balance of the hub from the transfers; for operators."""
        return self._get(Verification, address("ledger", "verify"))
