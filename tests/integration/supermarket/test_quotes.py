import json

import pytest
from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.foundation.members.models import OrganisationStanding
from lilong.foundation.members.public import OrganisationState
from lilong.foundation.members.services.standings import end_standing
from lilong.foundation.record.models import Entry
from lilong.foundation.record.services.key_files import list_public_keys
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.public import RequirementUnresolvable
from lilong.foundation.runs.services.pools import announce_maintenance, set_draining
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.checks import LiveQuotesReached, MaxCostExceeded, NotAdmitted, StandingLacking
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Order, PriceRow, Quote
from lilong.platforms.supermarket.queries.candidates import NoOffer, check_on_shelf
from lilong.platforms.supermarket.queries.quotes import get_quote, list_quotes, render_quote
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.checks import BelongingsMissing
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from lilong.platforms.supermarket.services.shelf import withdraw_offer
from lilong.protocol.signatures import is_content_signed
from lilong.protocol.spec_yaml import SpecInvalid
from tests.books import available_uc
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_stall, set_price, wallet_of
from tests.people import NOW, act, found_operator, found_organisation, found_owner, join
from tests.pools import at, make_inventory, make_spec
from tests.programmes import RULE, give_voucher

pytestmark = pytest.mark.django_db(transaction=True)

QUARTER_HOUR = 15 * 60


def refusal_code(order):
    assert order.refusal is not None
    return order.refusal["code"]


def voucher_account(voucher_id):
    return Voucher.objects.get(id=voucher_id).account_id


def test_a_quote_says_what_it_expects_what_it_costs_at_most_and_what_the_vouchers_carry():
    seller, buyer = open_stall(), found_buyer()
    voucher_id = give_voucher(buyer.organisation_id, amount_uc=CREDIT)
    view = ask(buyer, spec=make_spec(walltime_s=36_000, resources={"cores": 4}))

    promise = view.promise
    assert (promise.quoted_uc, promise.max_uc) == (36 * CREDIT, 36 * CREDIT)
    assert [(each.voucher_id, each.rate_ppm, each.cap_uc) for each in promise.vouchers] == [
        (voucher_id, 300_000, CREDIT)
    ]
    assert promise.voucher_max_uc == CREDIT
    assert (promise.max_ms, promise.expected_basis) == (36_000_000, "walltime")
    assert promise.offers[0].offer_id == seller.offer_id
    assert promise.expires_at == at(QUARTER_HOUR)


def test_a_quote_reserves_voucher_value_and_nothing_of_the_wallet():
    open_stall()
    buyer = found_buyer()
    account = voucher_account(give_voucher(buyer.organisation_id, amount_uc=CREDIT))
    view = ask(buyer, spec=make_spec(walltime_s=36_000))

    assert available_uc(account) == CREDIT - view.promise.voucher_max_uc
    assert view.promise.voucher_max_uc > 0
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT


def test_what_a_quote_reserved_returns_when_it_expires():
    open_stall()
    buyer = found_buyer()
    account = voucher_account(give_voucher(buyer.organisation_id, amount_uc=CREDIT))
    view = ask(buyer)
    reconcile(now=at(QUARTER_HOUR - 1))
    assert Order.objects.get(id=view.order_id).state == OrderState.QUOTED

    for _ in range(2):
        reconcile(now=at(QUARTER_HOUR))
    assert Order.objects.get(id=view.order_id).state == OrderState.EXPIRED
    assert available_uc(account) == CREDIT


def test_a_quote_ends_with_the_first_of_its_vouchers():
    open_stall()
    buyer = found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=CREDIT)
    nearly = RULE.expires_in_days * 86_400 - 60

    assert ask(buyer, seconds=nearly).promise.expires_at == at(nearly + 60)


def test_a_quote_bears_the_hubs_signature_over_exactly_what_is_stored():
    open_stall()
    view = ask(found_buyer())
    stored = Quote.objects.get(id=view.id)
    exported = json.loads(render_quote(quote=stored))

    (public_key,) = list_public_keys()
    content = stored.document.encode()
    assert is_content_signed(content=content, signature_hex=view.signature, public_key=public_key)
    assert not is_content_signed(content=content + b" ", signature_hex=view.signature, public_key=public_key)
    assert {name: exported[name] for name in json.loads(content)} == json.loads(content)
    assert exported["signature"] == {"hex": view.signature, "key_id": view.key_id}


def test_a_quote_is_recorded_by_the_hash_of_its_export():
    open_stall()
    view = ask(found_buyer())
    entry = Entry.objects.get(kind="supermarket.quote", subject_id=view.order_id)

    assert json.loads(entry.payload.content)["quote_sha256"] == view.sha256
    assert view.sha256 == sha256_hex(render_quote(quote=Quote.objects.get()))


def test_three_quotes_live_at_a_time_and_a_place_is_free_again_when_one_is_handed_back_or_over():
    open_stall()
    buyer = found_buyer()
    first, *_ = [ask(buyer) for _ in range(3)]
    with pytest.raises(LiveQuotesReached) as raised:
        ask(buyer)
    assert raised.value.facts == {"limit": 3, "used": 3, "resets_at": "2026-03-01T12:15:00.000000Z"}

    cancel_order(actor=buyer, order_id=first.order_id, now=NOW)
    ask(buyer)
    ask(buyer, seconds=QUARTER_HOUR)
    assert Order.objects.filter(state=OrderState.EXPIRED).count() == 3


def test_colleagues_have_places_of_their_own():
    open_stall()
    buyer = found_buyer()
    for _ in range(3):
        ask(buyer)

    assert ask(join(buyer, Role.MEMBER)).promise.max_uc


def test_a_viewer_does_not_buy():
    open_stall()
    with pytest.raises(NotAllowed):
        ask(join(found_buyer(), Role.VIEWER))


@pytest.mark.parametrize("state", [OrganisationState.APPLIED, OrganisationState.SUSPENDED])
def test_only_an_admitted_organisation_gets_a_quote(state):
    open_stall()
    with pytest.raises(NotAdmitted):
        ask(act(found_organisation(state=state).token.secret))


def test_an_empty_wallet_gets_a_quote_that_says_what_is_missing_and_what_would_do():
    open_stall()
    view = ask(found_buyer(wallet_uc=75_000))

    (note,) = view.notes
    assert note.code == "order.funds_short"
    assert "0.075 are missing" in note.message
    assert "It would do for walltime_s: 5m." in note.message


def test_a_limit_that_no_offer_keeps_is_refused_and_the_refusal_is_kept():
    open_stall()
    buyer = found_buyer()
    with pytest.raises(MaxCostExceeded) as raised:
        ask(buyer, max_cost_uc=149_999)

    assert [field.code for field in raised.value.fields] == ["offer.above_max_cost"]
    order = Order.objects.get()
    assert (order.state, order.live_slot, refusal_code(order)) == ("refused", None, "order.max_cost_exceeded")
    assert ask(buyer, max_cost_uc=150_000).promise.max_uc == 150_000


def test_offers_rank_by_cost_and_the_dear_one_is_left_out_with_its_reason():
    cheap, middle, dear = (
        open_stall(name=name, price_uc=price) for name, price in [("a", 100), ("b", 150), ("c", 500)]
    )
    view = ask(found_buyer())

    assert [offer.offer_id for offer in view.promise.offers] == [cheap.offer_id, middle.offer_id]
    assert [(note.path, note.code) for note in view.notes] == [(f"offers.{dear.offer_id}", "offer.dear_for_failover")]
    assert view.promise.max_uc == view.promise.offers[1].max_uc


def test_the_price_is_locked_when_quoted():
    seller, buyer = open_stall(), found_buyer()
    view = ask(buyer)
    set_price(seller.owner, seller.offer_id, 999_999, now=at(1))
    withdraw_offer(actor=seller.owner, offer_id=seller.offer_id, now=at(1))

    assert get_quote(actor=buyer, quote_id=view.id).promise == view.promise


def test_an_offer_without_a_price_cannot_be_bought():
    seller = open_stall()
    set_price(seller.owner, seller.offer_id, 7, now=at(1), until=at(2))
    with transaction.atomic():
        PriceRow.objects.filter(valid_until=None).delete()
    buyer = found_buyer()
    with pytest.raises(NoOffer) as raised:
        ask(buyer, seconds=3)

    assert [field.code for field in raised.value.fields] == ["offer.no_price"]


def test_work_that_fits_nowhere_is_refused_field_by_field():
    open_stall()
    with pytest.raises(NoOffer) as raised:
        ask(found_buyer(), spec=make_spec(resources={"cores": 999}))

    assert any(field.path.startswith("resources") for field in raised.value.fields)
    assert Order.objects.get().state == OrderState.REFUSED


def test_work_that_needs_what_is_not_here_is_refused_name_by_name():
    open_stall()
    inputs = [{"object_sha256": "cd" * 32, "mount": "data"}, {"volume_id": "vol_" + "0" * 32, "mount": "more"}]
    spec = make_spec(workdir_sha256="ab" * 32, inputs=inputs, secrets=["API_KEY"])
    with pytest.raises(BelongingsMissing) as raised:
        ask(found_buyer(), spec=spec)

    assert [field.path for field in raised.value.fields] == ["inputs.0", "workdir_sha256", "inputs.1", "secrets"]
    assert not Order.objects.exists()


def test_a_start_is_now_while_the_pool_has_room_and_unknown_else():
    seller, buyer = open_stall(), found_buyer()
    assert ask(buyer).promise.offers[0].starts is Starts.NOW
    busy = make_inventory()
    node = busy.nodes[0].model_copy(update={"cores_free": 0})
    seller.agent.sync(seconds=1, inventory=busy.model_copy(update={"nodes": (node,)}))

    assert ask(buyer, seconds=1).promise.offers[0].starts is Starts.UNKNOWN
    assert ask(buyer, seconds=600).promise.offers[0].starts is Starts.UNKNOWN


def test_a_pool_that_takes_no_new_work_is_left_out():
    seller, other = open_stall(name="a"), open_stall(name="b")
    set_draining(actor=seller.owner, pool_id=seller.agent.pool_id, draining_at=NOW)
    view = ask(found_buyer())

    assert [offer.offer_id for offer in view.promise.offers] == [other.offer_id]
    assert [note.code for note in view.notes] == ["offer.pool_draining"]


def test_a_pool_whose_maintenance_the_job_would_reach_stays_in_the_quote_and_is_said_to_start_later():
    seller, other = open_stall(name="a"), open_stall(name="b")
    window = Maintenance(starts_at=at(600), ends_at=at(3600), reason="new cooling")
    announce_maintenance(actor=seller.owner, pool_id=seller.agent.pool_id, window=window, now=NOW)
    buyer = found_buyer()
    long, short = ask(buyer, spec=make_spec(walltime_s=900)), ask(buyer, spec=make_spec(walltime_s=300))
    starts = {offer.offer_id: offer.starts for offer in long.promise.offers}

    assert starts == {seller.offer_id: Starts.AFTER_MAINTENANCE, other.offer_id: Starts.NOW}
    assert [(note.code, note.path) for note in long.notes] == [("offer.pool_maintenance", f"offers.{seller.offer_id}")]
    assert long.notes[0].message.endswith(
        "maintenance from 2026-03-01 12:10 to 13:00 UTC (new cooling): 15m could reach into it, so it begins after "
        "that. Other offers of the quote come first."
    )
    assert short.notes == ()


def test_with_the_only_pool_in_maintenance_a_quote_says_when_it_begins():
    seller = open_stall()
    window = Maintenance(starts_at=NOW, ends_at=at(3600), reason="")
    announce_maintenance(actor=seller.owner, pool_id=seller.agent.pool_id, window=window, now=NOW)
    view = ask(found_buyer())

    assert [offer.starts for offer in view.promise.offers] == [Starts.AFTER_MAINTENANCE]
    assert view.notes[0].message.endswith("maintenance until 2026-03-01 13:00 UTC: it begins after that.")


def test_an_accelerator_that_nobody_sells_is_refused():
    open_stall()
    spec = make_spec(resources={"accelerator": "h100-sxm5", "accelerators": 1})
    with pytest.raises(NoOffer) as raised:
        ask(found_buyer(), spec=spec)

    assert [field.code for field in raised.value.fields] == ["quote.nothing_on_shelf"]


def test_a_spec_that_no_pool_could_honour_is_refused_before_anything_is_written():
    open_stall()
    with pytest.raises(SpecInvalid):
        ask(found_buyer(), spec=make_spec(outputs=[{"path": "../a", "max_bytes": 1}]))

    assert not Order.objects.exists()


def test_a_requirement_that_does_not_resolve_is_refused_here_and_nothing_is_held():
    open_stall()
    buyer = found_buyer()
    account = voucher_account(give_voucher(buyer.organisation_id, amount_uc=CREDIT))
    spec = make_spec(environment={"requirements": ["thing @ https://example.org/thing.whl"]})
    with pytest.raises(RequirementUnresolvable):
        ask(buyer, spec=spec)

    assert refusal_code(Order.objects.get()) == "runs.requirement_unresolvable"
    assert available_uc(account) == CREDIT


def test_a_draft_whose_writer_died_lapses_and_frees_its_place():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)
    with transaction.atomic():
        Quote.objects.all().delete()
        Order.objects.filter(id=view.order_id).update(state=OrderState.DRAFT, expires_at=at(600))
    reconcile(now=at(600))

    order = Order.objects.get()
    assert (order.state, order.live_slot) == (OrderState.EXPIRED, None)


def test_the_expectation_comes_from_earlier_runs_of_that_name():
    seller, buyer = open_stall(), found_buyer()
    buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    view = ask(buyer, seconds=101)

    assert (view.promise.expected_ms, view.promise.expected_basis) == (60_000, "history")
    assert (view.promise.quoted_uc, view.promise.max_uc) == (15_000, 150_000)
    assert ask(buyer, spec=make_spec(name="other"), seconds=101).promise.expected_basis == "walltime"


def test_quotes_of_others_are_not_found():
    open_stall()
    buyer, other = found_buyer(), found_owner()
    view = ask(buyer)

    assert [each.id for each in list_quotes(actor=buyer, cursor=None, limit=5).items] == [view.id]
    assert list_quotes(actor=other, cursor=None, limit=5).items == []
    with pytest.raises(NotFound):
        get_quote(actor=other, quote_id=view.id)


def test_a_check_writes_nothing_and_names_the_offers_that_would_do():
    seller = open_stall()
    check = check_on_shelf(spec=make_spec(), now=NOW)

    assert [terms.offer_id for terms in check.offers] == [seller.offer_id]
    assert check_on_shelf(spec=make_spec(outputs=[{"path": "/a", "max_bytes": 1}]), now=NOW).problems
    assert check_on_shelf(spec=make_spec(resources={"cores": 999}), now=NOW).left_out
    assert not Order.objects.exists()


def test_a_job_pays_for_as_many_units_as_hold_its_memory():
    open_stall()
    view = ask(found_buyer(), spec=make_spec(resources={"cores": 1, "memory_mib": 8192}))

    assert view.promise.offers[0].units == 2


def test_quoting_again_after_the_first_is_a_new_quote_at_the_new_price():
    seller, buyer = open_stall(), found_buyer()
    first = ask(buyer)
    set_price(seller.owner, seller.offer_id, 500_000, now=at(1))
    second = ask(buyer, seconds=2)

    assert second.id != first.id
    assert second.promise.max_uc == 2 * first.promise.max_uc


def test_an_ended_standing_refuses_new_orders_and_touches_nothing_that_runs():
    open_stall()
    buyer = found_buyer()
    running, live = buy(buyer), ask(buyer)
    standing = OrganisationStanding.objects.get(organisation_id=buyer.organisation_id)
    end_standing(
        actor=found_operator(),
        organisation_id=buyer.organisation_id,
        standing_id=standing.id,
        ends_on=NOW.date(),
        reason="Moved out.",
        now=NOW,
    )

    with pytest.raises(StandingLacking, match="ended on 2026-03-01"):
        ask(buyer)
    with pytest.raises(StandingLacking, match="ended on 2026-03-01"):
        place_order(actor=buyer, quote_id=live.id, now=NOW)
    reconcile(now=NOW)
    assert Order.objects.get(id=running.id).state == running.state
