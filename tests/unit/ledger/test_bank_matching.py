from dataclasses import replace
from datetime import date

import pytest

from lilong.foundation.ledger.core.bank.matching import (
    ExpectedPayment,
    Finding,
    PaymentKind,
    PaymentStage,
    propose,
    worth_minor,
)

TOP_UP = ExpectedPayment(
    id="top_019a0000000070008000000000000001",
    kind=PaymentKind.TOP_UP,
    stage=PaymentStage.ASKED,
    case_id="cas_1",
    organisation_id="org_1",
    references=("top_019a0000000070008000000000000001", "INV-7"),
    amount_uc=12_500_000,
    amount_minor=1250,
    asked_on=date(2026, 3, 1),
    is_matched=False,
)
PAY_OUT = replace(
    TOP_UP,
    id="pay_019a0000000070008000000000000002",
    kind=PaymentKind.PAY_OUT,
    stage=PaymentStage.APPROVED,
    references=("pay_019a0000000070008000000000000002", ""),
)


def find(amount_minor, text, *payments):
    proposal = propose(amount_minor=amount_minor, text=text, payments=payments)
    return proposal.finding, [each.id for each in proposal.payments]


@pytest.mark.parametrize(
    "text",
    [
        "INV-7",
        "Top-up inv 7, thank you",
        "INV/7",
        "topup TOP 019A0000 0000 7000 8000 0000 0000 0001",
        "TOP019A0000000070008000000000000001X",
    ],
)
def test_a_reference_is_found_however_the_bank_writes_it(text):
    assert find(1250, text, TOP_UP, PAY_OUT) == (Finding.PROPOSED, [TOP_UP.id])


@pytest.mark.parametrize("text", ["INV-71", "XINV-7", "INV 1-7", "INV7", "7 INV", ""])
def test_another_reference_is_not_taken_for_it(text):
    assert find(1250, text, TOP_UP, PAY_OUT) == (Finding.UNKNOWN, [])


def test_a_reference_without_letters_or_digits_names_nothing():
    assert find(1250, "- -", replace(TOP_UP, references=("--",))) == (Finding.UNKNOWN, [])


def test_debits_are_pay_outs_and_credits_are_top_ups():
    assert find(-1250, f"{PAY_OUT.id} INV-7", TOP_UP, PAY_OUT) == (Finding.PROPOSED, [PAY_OUT.id])
    assert find(1250, PAY_OUT.id, TOP_UP, PAY_OUT) == (Finding.UNKNOWN, [])


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"amount_minor": 1251}, Finding.AMOUNT_DIFFERS),
        ({"amount_minor": None}, Finding.AMOUNT_DIFFERS),
        ({"is_matched": True}, Finding.PAID_ALREADY),
        ({"stage": PaymentStage.BOOKED}, Finding.PROPOSED),
        ({"stage": PaymentStage.REFUSED}, Finding.REFUSED),
    ],
)
def test_what_does_not_fit_is_left_with_the_reason(changes, finding):
    assert find(1250, "INV-7", replace(TOP_UP, **changes)) == (finding, [TOP_UP.id])


def test_a_pay_out_is_not_proposed_before_it_is_approved():
    text = PAY_OUT.id
    assert find(-1250, text, replace(PAY_OUT, stage=PaymentStage.ASKED)) == (Finding.NOT_APPROVED, [PAY_OUT.id])
    assert find(-1250, text, replace(PAY_OUT, stage=PaymentStage.BOOKED)) == (Finding.PROPOSED, [PAY_OUT.id])


def test_several_that_agree_are_left_to_a_person():
    other = replace(TOP_UP, id="top_2", organisation_id="org_2", references=("top_2", "INV-7"))

    proposal = propose(amount_minor=1250, text="INV-7", payments=[TOP_UP, other])

    assert (proposal.finding, proposal.may_confirm) == (Finding.SEVERAL, True)
    assert find(1250, "INV-7", replace(TOP_UP, is_matched=True), other) == (Finding.PROPOSED, ["top_2"])


@pytest.mark.parametrize(
    ("amount_uc", "millionths", "decimals", "minor"),
    [
        (1, 1_000_000, 2, 0),
        (4_999, 1_000_000, 2, 0),
        (5_000, 1_000_000, 2, 1),
        (1_000_000, 7_123_456, 2, 712),
        (1_000_000, 7_125_000, 2, 713),
        (3_000_000, 500_000, 0, 2),
        (10**16, 10**12, 2, 10**18),
    ],
)
def test_worth_is_rounded_once_half_up(amount_uc, millionths, decimals, minor):
    assert worth_minor(amount_uc=amount_uc, millionths=millionths, decimals=decimals) == minor
