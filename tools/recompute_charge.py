"""Recompute an order's charge from its exports: recompute_charge.py DIR. The standard library is all it needs."""

import csv
import json
import sys
from collections import Counter
from pathlib import Path


def check(fact: object, claim: str) -> None:
    if not fact:
        sys.exit(f"REFUSED: {claim}")


def rates(offer_id: str) -> tuple[int, ...]:
    return tuple(voucher.get("other_rates_ppm", {}).get(offer_id, voucher["rate_ppm"]) for voucher in quote["vouchers"])


def split(dues_uc: dict[str, int]) -> dict[str, int]:  # of offers of equal rates as one sum, then each up to its cap
    sums, parts = Counter(), Counter()
    for offer_id, due_uc in dues_uc.items():
        sums[rates(offer_id)] += due_uc
    for rates_ppm, sum_uc in sums.items():
        (whole, rest_uc), start_uc = divmod(sum_uc, 1_000_000), 0
        for voucher, rate_ppm in zip(quote["vouchers"], rates_ppm, strict=True):  # inside every credit they take turns
            turn_uc = min(rate_ppm, 1_000_000 - start_uc)
            parts[voucher["account_id"]] += whole * turn_uc + min(max(rest_uc - start_uc, 0), turn_uc)
            start_uc += turn_uc
    capped = {payer: min(parts[payer], cap_uc) for payer, cap_uc in caps.items()}
    return {**capped, quote["wallet_account"]: sum(dues_uc.values()) - sum(capped.values())}


def hold_most() -> dict[str, int]:  # of each payer; where rates differ, and a credit for each group of equal rates
    splits = [split({offer_id: max_uc}) for offer_id in {rates(offer_id): offer_id for offer_id in offers}.values()]
    turns_uc = len(splits) * 1_000_000 if len(splits) > 1 else 0
    parts = {payer: max(each[payer] for each in splits) for payer in splits[0]}
    return {payer: min(part and part + turns_uc, caps.get(payer, max_uc), max_uc) for payer, part in parts.items()}


sys.excepthook = lambda kind, error, _: print(f"REFUSED: {kind.__name__}: {error}", file=sys.stderr)
names = ("quote.json", "record.json", "usage.csv", "transfers.csv")
texts = [Path(sys.argv[1], name).read_bytes().decode() for name in names]
quote, record = map(json.loads, texts[:2])
caps = {voucher["account_id"]: voucher["cap_uc"] for voucher in quote["vouchers"]}
usage, transfers = (list(csv.DictReader(text.splitlines())) for text in texts[2:])
offers, max_uc = {offer["offer_id"]: offer for offer in quote["offers"]}, quote["max_uc"]
dues, left_uc = Counter(), max_uc
for attempt in usage:
    offer, billable_ms = offers[attempt["offer_id"]], int(attempt["billable_ms"])
    check((attempt["unit"], int(attempt["units"])) == (offer["unit"], offer["units"]), "the units are not the quote's")
    check(0 <= billable_ms <= int(attempt["metered_ms"]), "more is billed than was metered")
    cost_uc = offer["price_uc"] * offer["units"] * billable_ms // 1_000_000  # the price is for 1 000 unit-seconds
    dues[attempt["offer_id"]] += min(cost_uc, left_uc)  # what the maximum cuts is the latest attempts'
    left_uc -= min(cost_uc, left_uc)
due_uc, parts = max_uc - left_uc, split(dues)
held, balance = Counter(), Counter()
pends = {row["id"]: row for row in transfers if row["kind"] == "pend"}
escrows = {hold["credit_account"] for hold in pends.values()}
for row in transfers:
    debit, credit, amount_uc = row["debit_account"], row["credit_account"], int(row["amount_uc"])
    if row["kind"] in ("settle", "void"):  # each hold is resolved once, on its own accounts, by no more than was held
        hold = pends.pop(row["pending_id"])
        check((debit, credit) == (hold["debit_account"], hold["credit_account"]), "a hold changed its accounts")
        check(0 <= amount_uc <= int(hold["amount_uc"]), "more was settled than held")
    if row["kind"] == "settle" or (row["kind"] == "post" and debit in {*parts, *escrows}):  # not others' relief
        balance[debit] -= amount_uc
        balance[credit] += amount_uc
    if row["kind"] == "pend" and row["code"] != "reserve":
        held[debit] += amount_uc
check(not pends, "a hold is still open")
check(+held == +Counter(hold_most()), "the holds are not the quote's maximum, split")
check(-balance == +Counter(parts), "the payers did not pay what was due, split")
check(not any(balance[account] for account in escrows), "money stayed in the escrow")
(told,) = [entry["payload"] for entry in record["entries"] if entry["leaf"]["type"] == "supermarket.settlement"]
found = {"charged_uc": due_uc, "max_uc": max_uc, "refunded_uc": sum(held.values()) - due_uc}
found["voucher_uc"] = due_uc - parts[quote["wallet_account"]]
check(found.items() <= told.items(), f"the record tells another charge than {found}")
print(f"OK: {found}")
