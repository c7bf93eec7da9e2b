from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed
from lilong.foundation.ledger.core.as_of import AsOf
from lilong.foundation.ledger.queries.accounts import Balance, get_trial_balance
from lilong.foundation.ledger.queries.as_of import get_trial_balance_as_of
from lilong.foundation.ledger.queries.trial import KEPT_S, REFRESHED_AFTER, read_trial_balance
from lilong.foundation.ledger.reactions import reconcile
from tests.books import NOW, open_funded
from tests.people import found_operator, found_owner

pytestmark = pytest.mark.django_db


def test_pages_show_the_trial_balance_that_the_worker_added_up_and_when():
    operator = found_operator()
    open_funded(amount_uc=5)
    reconcile(NOW)
    then = get_trial_balance(actor=operator)
    open_funded(amount_uc=7)
    shown = read_trial_balance(actor=operator, now=NOW + timedelta(seconds=1))

    assert (shown.at, list(shown.lines)) == (NOW, then)
    assert list(shown.lines) != get_trial_balance(actor=operator)


def test_the_worker_adds_up_again_after_a_minute():
    operator = found_operator()
    reconcile(NOW)
    open_funded(amount_uc=7)
    reconcile(NOW + REFRESHED_AFTER - timedelta(seconds=1))
    assert read_trial_balance(actor=operator, now=NOW).at == NOW
    reconcile(NOW + REFRESHED_AFTER)
    shown = read_trial_balance(actor=operator, now=NOW)

    assert (shown.at, list(shown.lines)) == (NOW + REFRESHED_AFTER, get_trial_balance(actor=operator))
    assert timedelta(seconds=KEPT_S) > REFRESHED_AFTER


def test_without_a_worker_the_trial_balance_is_that_of_now():
    operator = found_operator()
    open_funded(amount_uc=7)
    shown = read_trial_balance(actor=operator, now=NOW)

    assert (shown.at, list(shown.lines)) == (NOW, get_trial_balance(actor=operator))


def test_a_trial_balance_of_a_past_moment_has_what_had_been_entered_by_then():
    operator = found_operator()
    open_funded(amount_uc=7)
    then = get_trial_balance(actor=operator)
    open_funded(amount_uc=5)
    past = get_trial_balance_as_of(actor=operator, as_of=AsOf(at=NOW, known_at=NOW - timedelta(seconds=1)))
    now = get_trial_balance_as_of(actor=operator, as_of=AsOf.seen_at(NOW))

    assert now == get_trial_balance(actor=operator) != then
    assert {line.balance for line in past} == {Balance(posted_uc=0, pending_out_uc=0, pending_in_uc=0)}
    with pytest.raises(NotAllowed):
        get_trial_balance_as_of(actor=found_owner(), as_of=AsOf.seen_at(NOW))


def test_a_trial_balance_that_is_kept_is_for_operators_alone():
    reconcile(NOW)
    with pytest.raises(NotAllowed):
        read_trial_balance(actor=found_owner(), now=NOW)
