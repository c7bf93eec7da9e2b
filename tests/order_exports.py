"""The exports of one order as a hub writes them: two attempts, a voucher and a wallet, two witnesses, 300 leaves."""

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lilong.common.canonical import Json
from lilong.protocol.checkpoint import Checkpoint, KeyKind, SignedNote, SigningKey, cosign_note, sign_log_note
from lilong.protocol.evidence import KeyRing, Leaf, Proven, build_bundle, commit_payload
from lilong.protocol.exports import (
    KEYS_FILE,
    QUOTE_FILE,
    RECORD_FILE,
    SETTLEMENT_KIND,
    TRANSFER_COLUMNS,
    TRANSFERS_FILE,
    USAGE_COLUMNS,
    USAGE_FILE,
    render_csv,
    render_json,
)
from lilong.protocol.transparency import grow_tree, hash_leaf, join_peaks, list_peaks, plan_consistency, plan_inclusion

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MOMENT = "2026-03-01T12:00:00.123456Z"
LOG = SigningKey(name="hub.example/record", kind=KeyKind.LOG, seed=bytes(range(32)))
WITNESSES = [
    SigningKey(name=f"auditor.example/w{number}", kind=KeyKind.WITNESS, seed=bytes([number] * 32)) for number in (1, 2)
]
OLD_SIZE, SIZE = 201, 300
QUOTE_INDEX, SETTLEMENT_INDEX = 222, 299

Row = dict[str, str | int]

ROLES = {"vou": "voucher", "wal": "wallet", "esc": "order_escrow", "pro": "provider_accruing", "fee": "hub_fee"}


def transfer(name: str, kind: str, debit: str, credit: str, *, amount_uc: int, code: str, pending: str = "") -> Row:
    return {
        "id": f"tra_{name}",
        "link_id": f"lnk_{code}",
        "kind": kind,
        "pending_id": pending and f"tra_{pending}",
        "debit_account": f"acc_{debit}",
        "credit_account": f"acc_{credit}",
        "debit_role": ROLES[debit],
        "credit_role": ROLES[credit],
        "amount_uc": amount_uc,
        "code": code,
        "subject": "ord_1",
        "effective_at": MOMENT,
        "recorded_at": MOMENT,
    }


def attempt(number: int, billable_ms: int, fault: str, state: str) -> Row:
    return {
        "attempt_id": f"att_{number}",
        "number": number,
        "offer_id": "off_1",
        "unit": "core_s",
        "units": 4,
        "metered_ms": billable_ms + 750,
        "billable_ms": billable_ms,
        "fault": fault,
        "state": state,
    }


def make_transfers() -> list[Row]:
    return [
        transfer("1", "pend", "vou", "esc", amount_uc=15_000_000, code="reserve"),
        transfer("2", "void", "vou", "esc", amount_uc=0, code="hold", pending="1"),
        transfer("3", "pend", "vou", "esc", amount_uc=15_000_000, code="hold"),
        transfer("4", "pend", "wal", "esc", amount_uc=15_000_000, code="hold"),
        transfer("5", "settle", "vou", "esc", amount_uc=2_623_500, code="settle", pending="3"),
        transfer("6", "settle", "wal", "esc", amount_uc=2_500_000, code="settle", pending="4"),
        transfer("7", "post", "esc", "pro", amount_uc=4_867_325, code="settle"),
        transfer("8", "post", "esc", "fee", amount_uc=256_175, code="settle"),
    ]


def make_quote() -> dict[str, Json]:
    return {
        "quote_id": "quo_1",
        "max_uc": 30_000_000,
        "offers": [{"offer_id": "off_1", "price_uc": 25_000_000, "unit": "core_s", "units": 4}],
        "vouchers": [{"account_id": "acc_vou", "cap_uc": 40_000_000, "rate_ppm": 500_000, "voucher_id": "vou_1"}],
        "wallet_account": "acc_wal",
    }


@dataclass
class Order:
    """What the exports say. Change it before writing to play an operator who lies consistently."""

    usage: list[Row] = field(
        default_factory=lambda: [attempt(1, 31_234, "hub", "lost"), attempt(2, 20_001, "nobody", "succeeded")]
    )
    transfers: list[Row] = field(default_factory=make_transfers)
    quote: dict[str, Json] = field(default_factory=make_quote)
    charge: dict[str, Json] = field(
        default_factory=lambda: {
            "charged_uc": 5_123_500,
            "max_uc": 30_000_000,
            "order_id": "ord_1",
            "refunded_uc": 24_876_500,
            "voucher_uc": 2_623_500,
        }
    )


@dataclass(frozen=True)
class Log:
    """A signed log of 300 leaves in which some entries are opened."""

    stored: dict[int, bytes]

    def root(self, size: int) -> bytes:
        return join_peaks([self.stored[position] for position in list_peaks(start=0, end=size)])

    def head(self, size: int, witnesses: list[SigningKey]) -> str:
        body = Checkpoint(origin=LOG.name, size=size, root=self.root(size)).body
        cosigned = [cosign_note(body=body, key=key, signed_s=1_772_366_400) for key in witnesses]
        return SignedNote(body=body, lines=(sign_log_note(body=body, key=LOG), *cosigned)).text


def prove(kind: str, subject_id: str, payload: dict[str, Json], index: int) -> Proven:
    key = hashlib.sha256(f"key {index}".encode()).digest()
    leaf = Leaf(kind=kind, recorded_at=NOW, subject_id=subject_id, commitment=commit_payload(payload=payload, key=key))
    return Proven(leaf=leaf, payload=payload, key=key, index=index, proof=())


def write_order(folder: Path, order: Order) -> dict[str, Json]:
    """Write quote, transfers and usage; return what the settlement's entry says of them and of the charge."""
    files = {
        QUOTE_FILE: render_json(order.quote),
        TRANSFERS_FILE: render_csv(columns=TRANSFER_COLUMNS, rows=order.transfers),
        USAGE_FILE: render_csv(columns=USAGE_COLUMNS, rows=order.usage),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {f"{name.split('.')[0]}_sha256": hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {**order.charge, **digests}


def write_exports(
    folder: Path,
    order: Order | None = None,
    *,
    witnesses: list[SigningKey] | None = None,
    change: Callable[[dict[str, Json]], object] | None = None,
) -> None:
    """Write the five files. `change` edits the bundle after everything is signed."""
    order = order or Order()
    settlement = write_order(folder, order)
    entries = [
        prove("supermarket.quote", "quo_1", {"quote_sha256": settlement["quote_sha256"]}, QUOTE_INDEX),
        prove(SETTLEMENT_KIND, "ord_1", settlement, SETTLEMENT_INDEX),
    ]
    leaves = [hash_leaf(number.to_bytes(2, "big")) for number in range(SIZE)]
    for entry in entries:
        leaves[entry.index] = hash_leaf(entry.leaf.content)
    log = Log(stored=dict(enumerate(grow_tree(size=0, peaks=(), leaves=leaves).hashes)))
    cosigners = WITNESSES if witnesses is None else witnesses
    bundle = build_bundle(
        entries=[
            Proven(
                leaf=entry.leaf,
                payload=entry.payload,
                key=entry.key,
                index=entry.index,
                proof=plan_inclusion(index=entry.index, size=SIZE).assemble(log.stored),
            )
            for entry in entries
        ],
        earlier=log.head(OLD_SIZE, cosigners),
        head=log.head(SIZE, cosigners),
        consistency=plan_consistency(old_size=OLD_SIZE, new_size=SIZE).assemble(log.stored),
    )
    if change is not None:
        bundle = copy.deepcopy(bundle)
        change(bundle)
    ring = KeyRing(logs=(LOG.verifier,), witnesses=tuple(key.verifier for key in WITNESSES), required=2)
    (folder / RECORD_FILE).write_bytes(render_json(bundle))
    (folder / KEYS_FILE).write_bytes(ring.render())
