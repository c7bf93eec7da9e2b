"""An order's files for an outsider, in the one byte form of `protocol.exports`."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from lilong.common.canonical import sha256_hex
from lilong.common.errors import Conflict, NotFound
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.record.public import get_bundle
from lilong.platforms.supermarket.core.pricing import ChargeLine
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.queries.quotes import render_quote
from lilong.protocol.exports import (
    QUOTE_FILE,
    RECORD_FILE,
    TRANSFERS_FILE,
    USAGE_COLUMNS,
    USAGE_FILE,
    render_csv,
    render_json,
)


class NotSettledYet(Conflict):
    """The order has no exports before it is settled."""

    code = "order.not_settled"
    title = "This order is not settled yet"
    next_step = "Wait until its run has ended; its timeline shows where it is."
    retryable = True


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file, as it is written to disk."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the content."""
        return sha256_hex(self.content)

    @property
    def size_bytes(self) -> int:
        """Length of the content."""
        return len(self.content)


def export_order(*, actor: Actor, order_id: str) -> tuple[ExportFile, ...]:
    """Return the files of a settled order. All but the record's never change; that one follows the growing log.

    Raises NotFound, NotSettledYet, and the record's refusal while the settlement is not yet under a witnessed head.
    """
    orders = Order.objects.visible_to(actor).select_related("quote", "settlement")
    order = orders.filter(id=order_id).first()
    if order is None:
        raise NotFound(detail=say("There is no order {order_id} that you can see.", order_id=order_id[:64]))
    if order.settled_at is None:
        raise NotSettledYet
    return (
        ExportFile(TRANSFERS_FILE, order.settlement.transfers_csv.encode()),
        ExportFile(USAGE_FILE, order.settlement.usage_csv.encode()),
        ExportFile(QUOTE_FILE, render_quote(quote=order.quote)),
        ExportFile(RECORD_FILE, render_json(get_bundle(subject_ids=[order.id], actor=actor))),
    )


def pack_receipt(*, files: Sequence[ExportFile]) -> bytes:
    """Return the files of one order in a zip; equal files make equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file.name), file.content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def render_usage(*, lines: Sequence[ChargeLine]) -> bytes:
    """Return usage.csv of these charge lines."""
    rows = [
        {
            "attempt_id": line.usage.attempt_id,
            "number": line.usage.number,
            "offer_id": line.usage.offer_id,
            "unit": line.terms.unit.value,
            "units": line.terms.units,
            "metered_ms": line.usage.metered_ms,
            "billable_ms": line.usage.billable_ms,
            "fault": line.usage.fault.value if line.usage.fault else "",
            "state": line.usage.state,
        }
        for line in lines
    ]
    return render_csv(columns=USAGE_COLUMNS, rows=rows)
