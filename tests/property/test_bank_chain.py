"""Statements in any order, cut and overlapping in any way: the same gaps, and a reconciliation that always adds up."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lilong.foundation.ledger.core.bank.reconciliation import (
    AccountBalance,
    BankedEntry,
    BookedPayment,
    LineKind,
    Span,
    choose_balances,
    list_gaps,
    list_overlapping,
    reconcile,
)
from lilong.foundation.ledger.core.bank.statements import Statement, digest_statement, identify_entries
from tests.bank import FIRST, cut, make_entry, make_statement

DAYS = 8
amounts = st.integers(-500, 500)
months = st.builds(
    lambda rows, opening: make_statement(
        [make_entry(amount, day=day, reference=reference) for day, amount, reference in sorted(rows)],
        opening_minor=opening,
        days=DAYS,
    ),
    st.lists(st.tuples(st.integers(0, DAYS - 1), amounts, st.sampled_from(["", "R1", "R2"])), max_size=12),
    amounts,
)
cuts = st.lists(st.tuples(st.integers(0, DAYS - 1), st.integers(0, DAYS - 1)).map(sorted), max_size=6)


def span(statement: Statement) -> Span:
    digest = digest_statement(statement=statement)
    identities = identify_entries(statement=statement)
    return Span(
        id=digest,
        digest=digest,
        account=statement.account,
        begins_on=statement.begins_on,
        ends_on=statement.ends_on,
        opening_minor=statement.opening_minor,
        closing_minor=statement.closing_minor,
        entries={key: each.amount_minor for key, each in zip(identities, statement.entries, strict=True)},
    )


def narrow(spans: list[Span]) -> list[Span]:
    """Leave out what the tables do not load: entries of statements that share no day."""
    overlapping = list_overlapping(spans=spans)
    return [each if each.id in overlapping else Span(**_fields(each)) for each in spans]


def _fields(each: Span):
    return {name: getattr(each, name) for name in Span.__dataclass_fields__ if name != "entries"}


def collect(statements) -> list[Span]:
    """Return each statement once, as the tables keep them."""
    return narrow(list({each.id: each for each in map(span, statements)}.values()))


@given(months, cuts, st.lists(st.integers(1, DAYS - 1), unique=True), st.randoms(use_true_random=False))
def test_statements_that_cover_all_days_have_no_gap_whatever_else_is_imported_in_whichever_order(
    whole, extra, edges, random
):
    borders = [0, *sorted(edges), DAYS]
    parts = [cut(whole, first=begin, last=end - 1) for begin, end in pairwise(borders)]
    parts += [cut(whole, first=first, last=last) for first, last in extra]
    random.shuffle(parts)
    spans = collect(parts)

    assert list_gaps(spans=spans) == []
    known = {key for each in parts for key in identify_entries(statement=each)}
    assert len(known) == len(whole.entries)
    for days in range(DAYS):
        on = FIRST + timedelta(days=days)
        [(first, latest)] = choose_balances(spans=spans, on=on)
        booked = sum(each.amount_minor for each in whole.entries if each.booked_on <= on)
        assert first.opening_minor == whole.opening_minor
        if latest.ends_on <= on:
            assert latest.closing_minor == whole.opening_minor + booked


@given(months, st.integers(1, DAYS - 2), st.integers(1, DAYS - 2), st.randoms(use_true_random=False))
def test_days_that_are_missing_are_a_gap_of_what_was_booked_on_them(whole, one, other, random):
    begin, end = sorted((one, other))
    parts = [cut(whole, first=0, last=begin - 1), cut(whole, first=end + 1, last=DAYS - 1)]
    missing = sum(each.amount_minor for each in cut(whole, first=begin, last=end).entries)
    random.shuffle(parts)

    gaps = list_gaps(spans=collect(parts))

    assert [gap.change_minor for gap in gaps] == ([missing] if missing else [])
    for gap in gaps:
        assert (gap.after, gap.before) == (FIRST + timedelta(days=begin - 1), FIRST + timedelta(days=end + 1))


def book(number, day, amount, is_payment):
    """Return a movement of the books on a day, of a payment that a person asked for or of something else."""
    return BookedPayment(
        transfer_id=f"tra_{number}",
        payment_id=f"pay_{number}" if is_payment else "",
        booked_on=FIRST + timedelta(days=day),
        amount_uc=amount * 10_000,
        worth_minor=amount,
        text="",
    )


@given(months, st.lists(st.tuples(st.integers(0, DAYS), amounts.filter(bool), st.booleans())), st.data())
def test_every_unit_between_bank_and_books_has_a_line(whole, booked, data):
    """Whatever of the entries is matched with whatever moved, and on whichever day one looks."""
    moves = [book(number, *each) for number, each in enumerate(booked)]
    payments = data.draw(st.permutations([*[each.payment_id for each in moves if each.payment_id], *[""] * 12]))
    entries = [
        BankedEntry(
            id=str(number),
            statement_id="bst_1",
            booked_on=each.booked_on,
            amount_minor=each.amount_minor,
            payment_id=payment,
            text="",
        )
        for number, (each, payment) in enumerate(zip(whole.entries, payments, strict=False))
    ]
    on = FIRST + timedelta(days=data.draw(st.integers(0, DAYS)))
    entries_then = [each for each in entries if each.booked_on <= on]
    moves_then = [each for each in moves if each.booked_on <= on]
    balance = AccountBalance(
        account=whole.account,
        first_id="bst_1",
        first_on=whole.begins_on,
        opening_minor=whole.opening_minor,
        balance_minor=whole.opening_minor + sum(each.amount_minor for each in entries_then),
        until=on,
    )

    def compare(off_minor=0):
        return reconcile(
            on=on,
            balances=[
                balance,
                AccountBalance(
                    account="x", first_id="bst_2", first_on=on, opening_minor=0, balance_minor=off_minor, until=on
                ),
            ],
            gaps=[],
            entries=data.draw(st.permutations(entries_then)),
            moves=moves_then,
            matched={each.payment_id for each in entries if each.payment_id},
        )

    result = compare()
    assert result == compare()
    assert (result.remainder_minor, result.is_proven) == (0, True)
    assert result.books_uc == result.books_minor * 10_000
    assert result.bank_minor - result.books_minor == result.explained_minor
    assert compare(off_minor=7).remainder_minor == 7
    assert not compare(off_minor=7).is_proven
    assert len({(line.kind, line.about) for line in result.lines}) == len(result.lines)
    unmatched = [line.about for line in result.lines if line.kind is LineKind.UNMATCHED]
    assert sorted(unmatched) == sorted(each.id for each in entries_then if not each.payment_id and each.amount_minor)
