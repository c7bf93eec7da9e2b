"""Orders: a quote that was taken, its run, its money, and the files by which an outsider recomputes the charge."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lilong.common.canonical import sha256_hex
from lilong.common.errors import Conflict
from lilong.common.files import write_durably
from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.quotes import Quote

_EXPORT_TRIES = 5


class ExportsChanging(Conflict):
    """The files of an order changed again and again while they were downloaded."""

    code = "sdk.exports_changing"
    title = "The order's files changed while they were downloaded"
    next_step = "Download them again."


class Order(Answer):
    """An order in one line; the amounts are None until they are known, charged_uc until the settlement."""

    id: str
    quote_id: str | None = None
    project_id: str | None = None
    name: str
    state: str
    run_id: str
    run_state: str
    max_uc: int | None = None
    charged_uc: int | None = None
    voucher_uc: int | None = None
    refunded_uc: int | None = None
    created_at: datetime
    placed_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    settled_at: datetime | None = None


class TimelineStep(Answer):
    """One thing that happened to an order; money says what the amount is."""

    step: str
    state: str
    at: datetime
    money: str
    amount_uc: int | None = None
    detail: str


class Review(Answer):
    """The review of an order's size by operators of the hub: by when, and what may be ordered of it.

    decision: empty while it is open. left_ms: card-milliseconds.
    """

    id: str
    case_id: str
    route: str
    card_ms: int
    left_ms: int
    left_uc: int
    decide_by: datetime
    is_late: bool
    decision: str
    reason: str
    ends_at: datetime | None = None


class OrderDetail(Answer):
    """An order with its timeline, and while it runs its cost until now and, at most, if it were cancelled now.

    review: None where its size needed none. drawn_from: the order whose approved request it counts against.

    waiting_reason, expected_start_at and expected_start_basis are those of its run.
    """

    order: Order
    timeline: tuple[TimelineStep, ...]
    so_far_uc: int | None = None
    cancel_costs_at_most_uc: int
    waiting_reason: str
    expected_start_at: datetime | None = None
    expected_start_basis: str | None = None
    review: Review | None = None
    drawn_from: str | None = None


class _Export(Answer):
    name: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z]+$")]
    sha256: str


class _Exports(Answer):
    files: tuple[_Export, ...]


class _CaseOpened(Answer):
    case_id: str


class Orders(Noun):
    """Take quotes, watch what becomes of them, end them."""

    def place(self, *, quote_id: str, purpose: str = "") -> Order:
        """Take a quote: its maximum is held and its run submitted, both or neither. A quote is taken once.

        Above a limit of the organisation the order is `awaiting` and has no run, until somebody else approves it; too
        large for the automatic route, until operators of the hub do, who read `purpose`.
        """
        return self._post(Order, address("orders"), json={"quote_id": quote_id, "purpose": purpose})

    def get(self, order_id: str) -> OrderDetail:
        """Return an order with its timeline."""
        return self._get(OrderDetail, address("orders", order_id))

    def list(self) -> Iterator[Order]:
        """Yield the organisation's orders, newest first."""
        return self._list(Order, address("orders"))

    def list_waiting(self) -> Iterator[Order]:
        """Yield the orders that wait for somebody of their own organisation to approve them, newest first."""
        return self._list(Order, address("approvals"))

    def approve(self, order_id: str, *, reason: str) -> OrderDetail:
        """Approve an order that somebody else placed: it is held and submitted at the price of its quote.

        Where the quote has expired it is `approved`: whoever placed it has it quoted and ordered anew.
        """
        return self._post(OrderDetail, address("orders", order_id, "approve"), json={"reason": reason})

    def refuse(self, order_id: str, *, reason: str) -> OrderDetail:
        """Refuse an order that waits for an approval; nothing is held."""
        return self._post(OrderDetail, address("orders", order_id, "refuse"), json={"reason": reason})

    def repeat(self, order_id: str) -> Quote:
        """Return a quote of an earlier order's job at today's prices; nothing is ordered."""
        return self._post(Quote, address("orders", order_id, "repeat"))

    def cancel(self, order_id: str) -> OrderDetail:
        """Hand back a quote, or stop the run: what it used, its grace included, is charged and the rest released."""
        return self._post(OrderDetail, address("orders", order_id, "cancel"))

    def dispute(self, order_id: str, *, claim_uc: int, reason: str) -> str:
        """Claim a part of the charge back and return the id of the case that decides."""
        body = {"claim_uc": claim_uc, "reason": reason}
        return self._post(_CaseOpened, address("orders", order_id, "disputes"), json=body).case_id

    def download_exports(self, order_id: str, *, folder: Path) -> tuple[Path, ...]:
        """Write the files of a settled order into `folder` and return their paths.

        Each is checked against the digest that the hub names. The record's grows with the log, so that it may change
        in between; then all are fetched again. Raises ExportsChanging, and the hub's refusal before the settlement.
        """
        for _ in range(_EXPORT_TRIES):
            named = self._get(_Exports, address("orders", order_id, "exports")).files
            contents = {file.name: self._read_export(order_id, file.name) for file in named}
            if all(sha256_hex(contents[file.name]) == file.sha256 for file in named):
                return write_folder(folder, contents)
        raise ExportsChanging

    def _read_export(self, order_id: str, name: str) -> bytes:
        return self._transport.request("GET", address("orders", order_id, "exports", name)).content


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files into a folder, making it; none is ever there in half."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_durably(path=folder / name, content=content, mode=0o644)
    return tuple(folder / name for name in contents)
