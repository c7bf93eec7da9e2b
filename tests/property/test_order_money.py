"""From usage to postings: what a settlement moves is what was due, split as quoted, and nothing stays in between."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import PPM
from lilong.platforms.funding.core.split import Share, split_due
from lilong.platforms.supermarket.core.postings import (
    Hold,
    PostingKind,
    plan_correction,
    plan_relief,
    plan_settlement,
    reckon_relief,
    sum_payees,
)
from lilong.platforms.supermarket.core.pricing import AttemptUsage, Terms, Unit, charge_usage, concede, price_time
from lilong.protocol.messages import Fault

ESCROW = "escrow"
FEE = "fee"
WALLET = "wallet"


@st.composite
def orders(draw):
    terms = [
        Terms(
            offer_id=f"off_{number}",
            pool_id=f"pool_{number}",
            provider_id=f"prv_{number % 2}",
            price_row_id=f"prc_{number}",
            price_uc=draw(st.integers(1, 10**7)),
            unit=Unit.CORE,
            units=draw(st.integers(1, 64)),
            fee_ppm=draw(st.integers(0, PPM)),
            credit_ppm=draw(st.integers(0, PPM)),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    usages = [
        AttemptUsage(
            attempt_id=f"att_{number}",
            number=number,
            offer_id=draw(st.sampled_from(terms)).offer_id,
            metered_ms=metered_ms,
            supported_ms=(supported_ms := draw(st.integers(0, metered_ms))),
            billable_ms=draw(st.integers(0, supported_ms)),
            longest_ms=metered_ms + draw(st.integers(0, 10**8)),
            fault=draw(st.sampled_from([None, *Fault])),
            state="failed",
        )
        for number, metered_ms in enumerate(draw(st.lists(st.integers(0, 10**8), max_size=4)), start=1)
    ]
    shares = draw(st.lists(st.builds(Share, rate_ppm=st.integers(0, PPM), cap_uc=st.integers(0, 10**12)), max_size=3))
    return {each.offer_id: each for each in terms}, usages, shares, draw(st.integers(1, 10**12))


def accounts_of(shares):
    return [*(f"voucher_{number}" for number in range(len(shares))), WALLET]


def parts_of(shares, due_uc):
    split = split_due(due_uc=due_uc, shares=shares)
    return dict(zip(accounts_of(shares), (*split.vouchers_uc, split.wallet_uc), strict=True))


def settle(terms, usages, shares, max_uc):
    """Return the charge lines and the postings of the settlement."""
    lines = charge_usage(usages=usages, terms=terms, max_uc=max_uc)
    held_uc = parts_of(shares, max_uc)
    holds = [Hold(id=f"hold.{name}", account_id=name, held_uc=amount) for name, amount in held_uc.items() if amount]
    postings = plan_settlement(
        order_id="ord",
        escrow=ESCROW,
        holds=holds,
        parts_uc=parts_of(shares, sum(line.due_uc for line in lines)),
        payees=sum_payees(lines=lines),
        accruing={"prv_0": "earned_0", "prv_1": "earned_1"},
        fee_account=FEE,
    )
    return lines, holds, postings


def balances_after(postings):
    balances: Counter[str] = Counter()
    for posting in postings:
        if posting.kind in {PostingKind.POST, PostingKind.SETTLE}:
            balances[posting.debit_account] -= posting.amount_uc
            balances[posting.credit_account] += posting.amount_uc
    return balances


@given(orders())
def test_the_charge_never_exceeds_the_maximum_and_is_what_the_prices_say_below_it(order):
    terms, usages, _, max_uc = order
    lines = charge_usage(usages=usages, terms=terms, max_uc=max_uc)
    recomputed_uc = sum(
        terms[usage.offer_id].price_uc * terms[usage.offer_id].units * usage.billable_ms // 1_000_000
        for usage in usages
    )

    assert sum(line.due_uc for line in lines) == min(recomputed_uc, max_uc)
    assert all(line.due_uc >= 0 for line in lines)


@given(orders(), st.randoms(use_true_random=False))
def test_usage_that_is_doubled_shuffled_or_late_charges_the_same(order, chance):
    terms, usages, _, max_uc = order
    earlier = [
        replace(
            usage,
            metered_ms=usage.metered_ms // 2,
            billable_ms=usage.billable_ms // 2,
            fault=None,
            state="running",
        )
        for usage in usages
        if usage.metered_ms
    ]
    noisy = [*usages, *earlier, *usages]
    chance.shuffle(noisy)

    assert charge_usage(usages=noisy, terms=terms, max_uc=max_uc) == charge_usage(
        usages=usages, terms=terms, max_uc=max_uc
    )


@given(orders())
def test_a_settlement_takes_the_split_of_what_is_due_and_leaves_the_escrow_empty(order):
    terms, usages, shares, max_uc = order
    lines, holds, postings = settle(terms, usages, shares, max_uc)
    balances = balances_after(postings)
    due_uc = sum(line.due_uc for line in lines)

    assert balances[ESCROW] == 0
    assert sum(balances.values()) == 0
    assert {name: -balances[name] for name in accounts_of(shares)} == parts_of(shares, due_uc)
    assert sum(balances[name] for name in ("earned_0", "earned_1", FEE)) == due_uc
    assert {posting.pending_id for posting in postings if posting.pending_id} == {hold.id for hold in holds}


@given(orders())
def test_no_hold_is_settled_above_what_it_holds(order):
    _, holds, postings = settle(*order)
    held_uc = {hold.id: hold.held_uc for hold in holds}

    assert all(posting.amount_uc <= held_uc[posting.pending_id] for posting in postings if posting.pending_id)
    assert len({posting.id for posting in postings}) == len(postings)


@given(orders(), st.integers(0, PPM))
def test_a_correction_reaches_what_a_settlement_at_the_other_amount_would_have(order, part_ppm):
    terms, usages, shares, max_uc = order
    lines, _, postings = settle(terms, usages, shares, max_uc)
    less = [replace(usage, billable_ms=usage.billable_ms * part_ppm // PPM) for usage in usages]
    other_lines, _, other_postings = settle(terms, less, shares, max_uc)
    before, after = balances_after(postings), balances_after(other_postings)
    differences_uc = {name: before[name] - after[name] for name in {*before, *after} - {ESCROW}}
    corrections = plan_correction(id_prefix="ord.c1", escrow=ESCROW, differences_uc=differences_uc, corrects={})

    reached = Counter(before)
    for name, amount_uc in balances_after(corrections).items():
        reached[name] += amount_uc
    assert {name: amount for name, amount in reached.items() if amount} == {
        name: amount for name, amount in after.items() if amount
    }
    assert sum(line.due_uc for line in other_lines) <= sum(line.due_uc for line in lines)


@given(orders(), st.integers(0, 10**12), st.data())
def test_an_upheld_claim_is_given_by_the_attempts_that_it_is_about_and_by_no_other(order, claim_uc, data):
    terms, usages, _, max_uc = order
    lines = charge_usage(usages=usages, terms=terms, max_uc=max_uc)
    meant = data.draw(st.none() | st.sets(st.sampled_from([usage.attempt_id for usage in usages] or ["att_0"])))
    conceded = concede(lines=lines, claim_uc=claim_uc, attempt_ids=meant)
    given_uc = [line.due_uc - less.due_uc for line, less in zip(lines, conceded, strict=True)]
    most_uc = [line.due_uc if meant is None or line.usage.attempt_id in meant else 0 for line in lines]

    assert all(0 <= given <= most for given, most in zip(given_uc, most_uc, strict=True))
    assert sum(given_uc) == min(claim_uc, sum(most_uc))
    if meant is None:  # as if less had been held for the order
        less_uc = max(sum(line.due_uc for line in lines) - claim_uc, 0)
        assert conceded == charge_usage(usages=usages, terms=terms, max_uc=less_uc)


@given(orders())
def test_relief_is_owed_only_for_faults_of_others_and_never_above_the_value_lost(order):
    terms, usages, _, max_uc = order
    relief = reckon_relief(lines=charge_usage(usages=usages, terms=terms, max_uc=max_uc))

    for fault, owed in ((Fault.PROVIDER, relief.credit_uc), (Fault.HUB, relief.forgone_uc)):
        at_fault = [usage for usage in usages if usage.fault is fault]
        assert set(owed) == {terms[usage.offer_id].provider_id for usage in at_fault}
        lost_uc = sum(
            price_time(
                price_uc=terms[usage.offer_id].price_uc,
                units=terms[usage.offer_id].units,
                duration_ms=(usage.longest_ms if fault is Fault.PROVIDER else usage.supported_ms) - usage.billable_ms,
            )
            for usage in at_fault
        )
        assert 0 <= sum(owed.values()) <= lost_uc


@given(orders())
def test_credits_come_first_out_of_what_the_provider_at_fault_earned_and_never_exceed_it(order):
    terms, usages, _, max_uc = order
    lines = charge_usage(usages=usages, terms=terms, max_uc=max_uc)
    payees, relief = sum_payees(lines=lines), reckon_relief(lines=lines)
    postings = plan_relief(
        order_id="ord",
        relief=relief,
        payees=payees,
        accruing={"prv_0": "earned_0", "prv_1": "earned_1"},
        reserve="reserve",
        wallet=WALLET,
    )
    balances = balances_after(postings)
    earned_uc = {f"earned_{payee.provider_id[-1]}": payee.due_uc - payee.fee_uc for payee in payees}

    assert balances[WALLET] == sum(relief.credit_uc.values())
    assert balances["reserve"] <= 0
    for posting in postings:
        if posting.debit_account != "reserve":
            assert posting.amount_uc <= earned_uc[posting.debit_account]
