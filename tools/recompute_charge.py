"""Recompute an order's charge from its exports: recompute_charge.py DIR. The standard library is all it needs."""

import csv
import json
import sys
from collections import Counter
from pathlib import Path


def check(fact: object, claim: str) -> None:
    if not fact:
        sys.exit(f"REFUSED: {claim}")


def split(due_uc: int) -> dict[str, int]:  # inside every credit the payers take turns, each up to its cap
    whole, rest_uc = divmod(due_uc, 1_000_000)
    parts, start_uc = {}, 0
    for voucher in quote["vouchers"]:
        turn_uc = min(voucher["rate_ppm"], 1_000_000 - start_uc)
        part_uc = whole * turn_uc + min(max(rest_uc - start_uc, 0), turn_uc)
        parts[voucher["account_id"]] = min(part_uc, voucher["cap_uc"])
        start_uc += turn_uc
    return {**parts, quote["wallet_account"]: due_uc - sum(parts.values())}


sys.excepthook = lambda kind, error, _: print(f"REFUSED: {kind.__name__}: {error}", file=sys.stderr)
names = ("quote.json", "record.json", "usage.csv", "transfers.csv")
texts = [Path(sys.argv[1], name).read_bytes().decode() for name in names]
quote, record = map(json.loads, texts[:2])
usage, transfers = (list(csv.DictReader(text.splitlines())) for text in texts[2:])
offers, total_uc = {offer["offer_id"]: offer for offer in quote["offers"]}, 0
for attempt in usage:
    offer, billable_ms = offers[attempt["offer_id"]], int(attempt["billable_ms"])
    check((attempt["unit"], int(attempt["units"])) == (offer["unit"], offer["units"]), "the units are not the quote's")
    check(0 <= billable_ms <= int(attempt["metered_ms"]), "more is billed than was metered")
    total_uc += offer["price_uc"] * offer["units"] * billable_ms // 1_000_000  # the price is for 1 000 unit-seconds
due_uc, max_uc = min(total_uc, quote["max_uc"]), quote["max_uc"]
held, balance = Counter(), Counter()
pends = {row["id"]: row for row in transfers if row["kind"] == "pend"}
escrows = {hold["credit_account"] for hold in pends.values()}
for row in transfers:
    debit, credit, amount_uc = row["debit_account"], row["credit_account"], int(row["amount_uc"])
    if row["kind"] in ("settle", "void"):  # each hold is resolved once, on its own accounts, by no more than was held
        hold = pends.pop(row["pending_id"])
        check((debit, credit) == (hold["debit_account"], hold["credit_account"]), "a hold changed its accounts")
        check(0 <= amount_uc <= int(hold["amount_uc"]), "more was settled than held")
    if row["kind"] == "settle" or (row["kind"] == "post" and debit in {*split(0), *escrows}):  # not others' relief
        balance[debit] -= amount_uc
        balance[credit] += amount_uc
    if row["kind"] == "pend" and row["code"] != "reserve":
        held[debit] += amount_uc
check(not pends, "a hold is still open")
check(+held == +Counter(split(max_uc)), "the holds are not the quote's maximum, split")
check(-balance == +Counter(split(due_uc)), "the payers did not pay what was due, split")
check(not any(balance[account] for account in escrows), "money stayed in the escrow")
(told,) = [entry["payload"] for entry in record["entries"] if entry["leaf"]["type"] == "supermarket.settlement"]
found = {"charged_uc": due_uc, "max_uc": max_uc, "refunded_uc": max_uc - due_uc}
found["voucher_uc"] = due_uc - split(due_uc)[quote["wallet_account"]]
check(found.items() <= told.items(), f"the record tells another charge than {found}")
print(f"OK: {found}")
