import pytest

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Role
from lilong.foundation.notices.models import Letter, Notice
from lilong.foundation.notices.services.posting import tell_notices
from lilong.platforms.supermarket.models import SpendingRule
from lilong.platforms.supermarket.reactions import reconcile, watch_balances
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, pay_in, wallet_of
from tests.people import NOW, join
from tests.pools import at, make_spec
from tests.spending import watch_wallet

pytestmark = pytest.mark.django_db(transaction=True)


def told():
    return [notice.params["available_uc"] for notice in Notice.objects.filter(kind="supermarket.balance_low")]


def test_a_wallet_that_falls_below_is_told_of_once_and_again_only_after_it_had_risen():
    seller, buyer = open_stall(), found_buyer(wallet_uc=CREDIT)
    watch_wallet(buyer, below_uc=CREDIT)
    watch_balances(now=NOW)
    assert told() == []

    buy(buyer)
    for seconds in (1, 2):
        watch_balances(now=at(seconds))
    assert told() == [850_000]
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    watch_balances(now=at(100))
    assert told() == [850_000]

    pay_in(wallet_of(buyer), 15_000)
    watch_balances(now=at(101))
    assert not SpendingRule.objects.get().is_low
    buy(buyer, spec=make_spec(name="again"), seconds=102)
    watch_balances(now=at(103))
    assert told() == [850_000, 850_000]


def test_those_who_look_after_money_are_told_by_letter_and_mail():
    buyer = found_buyer(wallet_uc=1)
    people = [buyer, join(buyer, Role.ADMIN), join(buyer, Role.BILLING)]
    join(buyer, Role.MEMBER)
    watch_wallet(buyer, below_uc=2)
    watch_balances(now=NOW)
    tell_notices(now=NOW)

    letters = Letter.objects.filter(kind="supermarket.balance_low")
    assert {letter.person_id for letter in letters} == {each.person_id for each in people}
    assert all(letter.wants_mail for letter in letters)


def test_without_a_limit_or_once_it_is_taken_away_nobody_is_told():
    buyer = found_buyer(wallet_uc=1)
    watch_balances(now=NOW)
    watch_wallet(buyer, below_uc=2)
    watch_wallet(buyer, below_uc=None)
    watch_balances(now=NOW)

    assert told() == []


def test_a_member_does_not_set_it():
    with pytest.raises(NotAllowed):
        watch_wallet(join(found_buyer(), Role.MEMBER), below_uc=1)


def test_many_wallets_are_watched_with_few_queries(django_assert_max_num_queries):
    for _ in range(5):
        watch_wallet(found_buyer(), below_uc=1)
    with django_assert_max_num_queries(3):
        watch_balances(now=NOW)
