"""The two scripts of an outsider against one order's exports: whole, lied about, and with any byte changed."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from lilong.common.canonical import Json
from lilong.protocol.exports import KEYS_FILE, QUOTE_FILE, RECORD_FILE, TRANSFERS_FILE, USAGE_FILE
from tests.order_exports import LOG, WITNESSES, Order, attempt, make_quote, transfer, write_exports

TOOLS = Path(__file__).parents[3] / "tools"
FILES = (TRANSFERS_FILE, USAGE_FILE, QUOTE_FILE, RECORD_FILE, KEYS_FILE)


def compile_tool(name: str) -> CodeType:
    return compile((TOOLS / name).read_text(encoding="utf-8"), name, "exec")


VERIFY = compile_tool("verify_record.py")
RECOMPUTE = compile_tool("recompute_charge.py")


def refuses(tool: CodeType, *arguments: str) -> bool:
    """Run a tool in this process, as thousands of processes would take minutes, and say whether it ends in error."""
    kept = sys.argv, sys.excepthook
    sys.argv = ["tool", *arguments]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(tool, {"__name__": "__main__"})  # noqa: S102
    except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, an interpreter ends with an error
        return True
    finally:
        sys.argv, sys.excepthook = kept
    return False


def is_refused(folder: Path) -> bool:
    return refuses(VERIFY, str(folder), "--keys", str(folder / KEYS_FILE)) or refuses(RECOMPUTE, str(folder))


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", TOOLS / name, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def list_changes(content: bytes, place: int) -> Iterator[bytes]:
    """Yield the content with the byte at `place` changed, dropped or doubled."""
    byte = content[place]
    for other in {byte ^ 1, byte ^ 2, byte ^ 32, byte ^ 128, ord(" "), ord("\n"), ord("0")} - {byte}:
        yield content[:place] + bytes([other]) + content[place + 1 :]
    yield content[:place] + content[place + 1 :]
    yield content[: place + 1] + content[place:]


def test_both_scripts_accept_the_exports_of_an_order(tmp_path):
    write_exports(tmp_path)

    verified = run("verify_record.py", str(tmp_path), "--keys", str(tmp_path / KEYS_FILE))
    recomputed = run("recompute_charge.py", str(tmp_path))

    assert (verified.returncode, verified.stderr) == (0, "")
    assert "OK: 2 entries under a head of 300 leaves" in verified.stdout
    assert (recomputed.returncode, recomputed.stderr) == (0, "")
    assert "'charged_uc': 5123500" in recomputed.stdout


def test_a_refusal_is_one_line_and_a_non_zero_exit(tmp_path):
    write_exports(tmp_path)
    (tmp_path / USAGE_FILE).write_bytes(b"")
    (tmp_path / RECORD_FILE).write_bytes(b"{")

    for answer in (
        run("verify_record.py", str(tmp_path), "--keys", str(tmp_path / KEYS_FILE)),
        run("recompute_charge.py", str(tmp_path)),
    ):
        assert answer.returncode == 1
        assert answer.stderr.startswith("REFUSED: ")
        assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("name", FILES)
def test_any_changed_byte_is_refused(tmp_path, name):
    write_exports(tmp_path)
    assert not is_refused(tmp_path)
    content = (tmp_path / name).read_bytes()

    accepted = []
    for place in range(len(content)):
        for changed in list_changes(content, place):
            (tmp_path / name).write_bytes(changed)
            if changed != content and not is_refused(tmp_path):
                accepted.append((place, changed[max(place - 20, 0) : place + 20]))

    assert accepted == []


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(tmp_path, name):
    write_exports(tmp_path)
    (tmp_path / name).unlink()

    assert is_refused(tmp_path)


BUNDLE_LIES = {
    "an entry's payload is another's": lambda bundle: bundle["entries"][1].update(bundle["entries"][0]),
    "the settlement is left out": lambda bundle: bundle["entries"].pop(),
    "there are two settlements": lambda bundle: bundle["entries"].append(bundle["entries"][1]),
    "the charge is smaller": lambda bundle: bundle["entries"][1]["payload"].update(charged_uc=1),
    "the leaf says another time": lambda bundle: bundle["entries"][0]["leaf"].update(time="2026-03-01T12:00:00.0Z"),
    "an entry stands elsewhere": lambda bundle: bundle["entries"][0].update(index=221),
    "a proof is longer": lambda bundle: bundle["entries"][0]["proof"].append(bundle["entries"][0]["proof"][0]),
    "a proof is shorter": lambda bundle: bundle["entries"][0]["proof"].pop(),
    "no growth is proven": lambda bundle: bundle["consistency"].clear(),
    "the heads are swapped": lambda bundle: bundle.update(head=bundle["earlier"], earlier=bundle["head"]),
    "the head bears no signature": lambda bundle: bundle.update(head=bundle["head"].split("\u2014")[0]),
}


@pytest.mark.parametrize("change", BUNDLE_LIES.values(), ids=BUNDLE_LIES.keys())
def test_a_bundle_that_lies_is_refused(tmp_path, change):
    write_exports(tmp_path, change=change)

    assert refuses(VERIFY, str(tmp_path), "--keys", str(tmp_path / KEYS_FILE))


@pytest.mark.parametrize("witnesses", [[], WITNESSES[:1], [WITNESSES[0], WITNESSES[0]], [LOG, LOG]])
def test_a_head_with_too_few_witnesses_is_refused(tmp_path, witnesses):
    write_exports(tmp_path, witnesses=witnesses)

    assert refuses(VERIFY, str(tmp_path), "--keys", str(tmp_path / KEYS_FILE))


def lie(**changes):
    """Return a change to one transfer, by its place in the file."""

    def change(order: Order) -> None:
        order.transfers[changes["place"]].update({name: new for name, new in changes.items() if name != "place"})

    return change


CHARGE_LIES = {
    "the wallet pays the voucher's part": lambda order: (
        order.transfers[4].update(amount_uc=2_500_000),
        order.transfers[5].update(amount_uc=2_623_500),
    ),
    "more is charged than was used": lie(place=5, amount_uc=2_500_001),
    "more is settled than was held": lie(place=5, amount_uc=15_000_001),
    "less is held than quoted": lie(place=3, amount_uc=14_999_999),
    "a hold is settled to somebody else": lie(place=5, credit_account="acc_fee"),
    "a hold is settled twice": lambda order: order.transfers.append(order.transfers[4]),
    "a hold stays open": lambda order: order.transfers.pop(1),
    "money stays in the escrow": lambda order: order.transfers.pop(),
    "the wallet pays something besides": lambda order: order.transfers.append(
        transfer("9", "post", "wal", "fee", amount_uc=1, code="settle")
    ),
    "the provider is paid from nowhere": lambda order: order.transfers.append(
        transfer("9", "post", "esc", "pro", amount_uc=1, code="settle")
    ),
    "an attempt is left out": lambda order: order.usage.pop(),
    "an attempt is billed for another offer": lambda order: order.usage[0].update(offer_id="off_2"),
    "an attempt used more units": lambda order: order.usage[0].update(units=8),
    "more is billable than metered": lambda order: order.usage[0].update(metered_ms=31_233),
    "another attempt is billed": lambda order: order.usage.append(attempt(3, 1, "nobody", "succeeded")),
    "the price is another": lambda order: order.quote["offers"][0].update(price_uc=24_999_999),
    "the voucher's share is another": lambda order: order.quote["vouchers"][0].update(rate_ppm=499_999),
    "the voucher's cap is lower": lambda order: order.quote["vouchers"][0].update(cap_uc=2_000_000),
    "the maximum is lower": lambda order: order.quote.update(max_uc=5_000_000),
    "the record tells another charge": lambda order: order.charge.update(charged_uc=5_123_499),
    "the record tells another refund": lambda order: order.charge.update(refunded_uc=0),
    "the record tells another voucher part": lambda order: order.charge.update(voucher_uc=0),
}


@pytest.mark.parametrize("change", CHARGE_LIES.values(), ids=CHARGE_LIES.keys())
def test_a_charge_that_does_not_follow_from_quote_and_usage_is_refused(tmp_path, change):
    order = Order()
    change(order)
    write_exports(tmp_path, order)

    assert not refuses(VERIFY, str(tmp_path), "--keys", str(tmp_path / KEYS_FILE))
    assert refuses(RECOMPUTE, str(tmp_path))


def test_a_charge_of_nothing_is_recomputed_as_nothing(tmp_path):
    order = Order(
        usage=[],
        transfers=[
            transfer("3", "pend", "vou", "esc", amount_uc=15_000_000, code="hold"),
            transfer("4", "pend", "wal", "esc", amount_uc=15_000_000, code="hold"),
            transfer("5", "void", "vou", "esc", amount_uc=0, code="settle", pending="3"),
            transfer("6", "void", "wal", "esc", amount_uc=0, code="settle", pending="4"),
        ],
        charge={"charged_uc": 0, "max_uc": 30_000_000, "refunded_uc": 30_000_000, "voucher_uc": 0},
    )
    write_exports(tmp_path, order)

    assert not is_refused(tmp_path)


def make_graded_voucher(other_ppm: int) -> dict[str, Json]:
    """Return the voucher of the exports, at another rate on the second offer."""
    rates: dict[str, Json] = {"rate_ppm": 500_000, "other_rates_ppm": {"off_2": other_ppm}}
    return {"account_id": "acc_vou", "cap_uc": 40_000_000, "voucher_id": "vou_1", **rates}


def make_failover() -> Order:
    """Return an order that failed over to an offer on which the voucher pays 20 % instead of 50 %."""
    offers: list[Json] = [
        {"offer_id": f"off_{number}", "price_uc": 25_000_000, "unit": "core_s", "units": 4} for number in (1, 2)
    ]
    quote: dict[str, Json] = {**make_quote(), "offers": offers, "vouchers": [make_graded_voucher(200_000)]}
    # 31.234 s on the first, 20 s on the second, at 0.1 credit a second: 3.1234 and 2 credits.
    usage = [attempt(1, 31_234, "nobody", "lost"), {**attempt(2, 20_000, "nobody", "succeeded"), "offer_id": "off_2"}]
    # By turns: 3 × 0.5 + 0.1234 of the first, 2 × 0.2 of the second, the rest is the wallet's.
    return Order(
        quote=quote,
        usage=usage,
        transfers=[
            transfer("3", "pend", "vou", "esc", amount_uc=17_000_000, code="hold"),
            transfer("4", "pend", "wal", "esc", amount_uc=26_000_000, code="hold"),
            transfer("5", "settle", "vou", "esc", amount_uc=2_023_400, code="settle", pending="3"),
            transfer("6", "settle", "wal", "esc", amount_uc=3_100_000, code="settle", pending="4"),
            transfer("7", "post", "esc", "pro", amount_uc=5_123_400, code="settle"),
        ],
        charge={
            "charged_uc": 5_123_400,
            "max_uc": 30_000_000,
            "refunded_uc": 43_000_000 - 5_123_400,
            "voucher_uc": 2_023_400,
        },
    )


def test_each_offer_is_split_at_its_own_rates(tmp_path):
    write_exports(tmp_path, make_failover())

    assert not is_refused(tmp_path)


def test_a_rate_of_one_offer_that_is_used_for_another_is_refused(tmp_path):
    order = make_failover()
    order.quote["vouchers"] = [make_graded_voucher(300_000)]
    write_exports(tmp_path, order)

    assert refuses(RECOMPUTE, str(tmp_path))


def test_a_charge_is_capped_by_the_hold(tmp_path):
    order = Order(
        usage=[attempt(1, 400_000, "nobody", "succeeded")],
        transfers=[
            transfer("3", "pend", "vou", "esc", amount_uc=15_000_000, code="hold"),
            transfer("4", "pend", "wal", "esc", amount_uc=15_000_000, code="hold"),
            transfer("5", "settle", "vou", "esc", amount_uc=15_000_000, code="settle", pending="3"),
            transfer("6", "settle", "wal", "esc", amount_uc=15_000_000, code="settle", pending="4"),
            transfer("7", "post", "esc", "pro", amount_uc=30_000_000, code="settle"),
        ],
        charge={"charged_uc": 30_000_000, "max_uc": 30_000_000, "refunded_uc": 0, "voucher_uc": 15_000_000},
    )
    write_exports(tmp_path, order)

    assert not is_refused(tmp_path)


def test_relief_that_others_pay_for_their_fault_is_no_part_of_the_charge(tmp_path):
    order = Order()
    order.transfers.append(transfer("9", "post", "pro", "wal", amount_uc=7_500, code="service_credit"))
    write_exports(tmp_path, order)

    assert not is_refused(tmp_path)
