"""A month of a hub with something of everything that an audit pack holds, and packs that somebody tampered with."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

from django.conf import settings
from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.ledger.models import PayOut
from lilong.foundation.ledger.public.moves import close_period
from lilong.foundation.ledger.reactions import reconcile as keep_books
from lilong.foundation.ledger.services.payments import confirm_pay_out, request_pay_out
from lilong.foundation.objects.public import store_contents
from lilong.foundation.record.public import get_key_ring
from lilong.platforms.audit.core.packs import KEPT_FOR, PackState
from lilong.platforms.audit.models import AuditPack
from lilong.platforms.audit.services.gathering import write_pack
from lilong.platforms.funding.models import Programme
from lilong.platforms.funding.public import issue_voucher
from lilong.platforms.supermarket.models import Order, Provider
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.invoice_terms import describe_party
from lilong.platforms.supermarket.services.invoices import issue_month
from lilong.protocol.audit_pack import MANIFEST_FILE, SIGNATURE_FILE
from lilong.protocol.checkpoint import KeyKind, parse_signing_key
from lilong.protocol.evidence import KeyRing
from lilong.protocol.exports import render_json
from lilong.protocol.signatures import sign_content
from lilong.web.config import CreditRate
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_stall, pay_in
from tests.people import found_operator
from tests.pools import at, make_spec
from tests.programmes import RULE, approve, make_programme, publish
from tests.record_hub import seal_all

MARCH = DayPeriod(begins_on=date(2026, 3, 1), ends_on=date(2026, 4, 1))
FEBRUARY_20, CLOSED = datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC)
RATE = CreditRate(currency="CNY", per_credit="0.97", valid_from=FEBRUARY_20, source="council")
Files = dict[str, bytes]


def live_through_march() -> Actor:
    """Let a programme of February pay for an order of March, a provider be paid out, the month be closed and invoiced.

    Return an operator. The settings need a credit rate.
    """
    operator = found_operator(now=FEBRUARY_20)
    programme = make_programme(fund_uc=20 * CREDIT, operator=operator, now=FEBRUARY_20)
    seal_all(FEBRUARY_20)
    seller, buyer = open_stall(), found_buyer()
    give_and_spend(operator, programme, buyer)
    finish(seller.agent, ms=4_000_000, seconds=20)
    reconcile(now=at(5_000))
    assert Order.objects.exclude(settled_at=None).exists()
    ask(buyer, seconds=29 * 86_400)  # still reserved at the end of the month
    pay_out(seller.provider_id, seller.owner)
    describe_party(actor=operator, name="弄堂枢纽 Ltd", address="1 Lane\n200000 上海", tax_number="91", now=at(0))
    close_period(actor=operator, ends_at=MARCH.end, now=CLOSED)
    assert issue_month(actor=operator, month=MARCH, after="", now=CLOSED).issued
    seal_all(CLOSED)
    return operator


def give_and_spend(operator: Actor, programme: Programme, buyer: Actor) -> None:
    """Issue a voucher, order on it, and publish another version of the rule."""
    issue_voucher(
        actor=operator,
        programme_id=programme.id,
        organisation_id=buyer.organisation_id,
        amount_uc=10 * CREDIT,
        now=at(0),
    )
    buy(buyer, spec=make_spec(walltime_s=20_000), seconds=10)
    publish(programme, replace(RULE, rate_ppm=1), now=at(15))


def pay_out(provider_id: str, owner: Actor) -> None:
    """Let a provider be paid out what two operators approve."""
    pay_in(Provider.objects.get(id=provider_id).available_account_id, 9 * CREDIT)
    pay_out_id = request_pay_out(
        actor=owner, organisation_id=owner.organisation_id, amount_uc=5 * CREDIT, beneficiary="DE00 1234", now=at(60)
    )
    approve(PayOut.objects.get(id=pay_out_id).case_id, now=at(61))
    keep_books(at(62))
    confirm_pay_out(actor=found_operator(), pay_out_id=pay_out_id, bank_reference="b 7", now=at(63))


def write_march(*, now: datetime = CLOSED + timedelta(days=1)) -> bytes:
    """Return the pack of March."""
    file = io.BytesIO()
    write_pack(file=file, period=MARCH, now=now)
    return file.getvalue()


def keep_pack(organisation_id: str) -> str:
    """Write a row of a pack that is ready, whatever is in it, and return its id."""
    content, now = b"PK", utc_now()
    store_contents(organisation_id=organisation_id, contents=[content], now=now)
    kept = {"sha256": _sha256(content), "size_bytes": len(content), "ready_at": now, "expires_at": now + KEPT_FOR}
    asked = {"requested_by": "per_1", "requested_at": now, "next_at": now, "organisation_id": organisation_id}
    with transaction.atomic():
        return AuditPack.objects.create(
            id=new_id("apk"), begins_on=MARCH.begins_on, ends_on=MARCH.ends_on, state=PackState.READY, **kept, **asked
        ).id


def trust_hub() -> KeyRing:
    """Return the keys of a hub without witnesses, as somebody who compared them has them."""
    return get_key_ring()


def read_files(content: bytes) -> Files:
    """Return the files of a pack."""
    with ZipFile(io.BytesIO(content)) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def zip_files(files: Files) -> bytes:
    """Return a zip of these files."""
    written = io.BytesIO()
    with ZipFile(written, "w") as pack:
        for name, content in files.items():
            pack.writestr(name, content)
    return written.getvalue()


def tamper(content: bytes, change: Callable[[Files], object], *, seed: bytes | None = None) -> bytes:
    """Return a pack after a change; with the hub's seed it is signed anew, as a hub that lies does."""
    files = read_files(content)
    change(files)
    if seed is not None:
        manifest = json.loads(files[MANIFEST_FILE])
        about = {row["path"]: row["about"] for row in manifest["files"]}
        manifest["files"] = [
            {"about": about.get(path, ""), "path": path, "sha256": _sha256(each), "size_bytes": len(each)}
            for path, each in sorted(files.items())
            if path not in {MANIFEST_FILE, SIGNATURE_FILE}
        ]
        files[MANIFEST_FILE] = render_json(manifest)
        said = json.loads(files[SIGNATURE_FILE])
        said["signature"] = sign_content(content=files[MANIFEST_FILE], seed=seed)
        files[SIGNATURE_FILE] = render_json(said)
    return zip_files(files)


def read_seed() -> bytes:
    """Return the hub's private key."""
    pem = (Path(settings.LILONG.home) / "keys" / "record-1.key").read_bytes()
    return parse_signing_key(pem=pem, name="hub", kind=KeyKind.LOG).seed


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
