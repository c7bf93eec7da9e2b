"""Budgets, approvals and repeated orders from the command line."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.services.orders import place_order
from tests.api.calls import make_buyer_token, seconds_now
from tests.integration.cli.commands import lilong
from tests.market import ask, open_stall
from tests.people import act, make_member_token
from tests.polling import wait_until
from tests.pools import at
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hub(settings, tmp_path):
    # What the test quotes by itself bears the signature of the hub's own key.
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path / "home", "storage_reserve_bytes": 0})
    with running_web(home=tmp_path / "home") as web:
        yield web


@pytest.fixture
def owner():
    open_stall(now=utc_now())
    return make_buyer_token()


def read(hub, token, *arguments):
    done = lilong(*arguments, "--json", env={"LILONG_HUB": hub.url, "LILONG_TOKEN": token})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_budgets_of_projects_are_set_listed_and_ended(hub, owner):
    read(hub, owner, "projects", "create", "speech")
    budget_id = read(hub, owner, "budgets", "set", "all speech", "12.5", "--project", "speech", "--endless")["id"]
    (budget,) = read(hub, owner, "budgets", "list")
    assert (budget["scope"], budget["period"], budget["room"]["left_uc"]) == ("project", "open", 12_500_000)

    env = {"LILONG_HUB": hub.url, "LILONG_TOKEN": owner}
    assert "speech" in lilong("budgets", "list", env=env).stdout
    read(hub, owner, "budgets", "end", budget_id)
    read(hub, owner, "projects", "close", "speech")
    assert read(hub, owner, "budgets", "list") == read(hub, owner, "projects", "list") == []
    assert "lilong projects list" in lilong("projects", "close", "speech", env=env).stderr


def test_an_order_that_waits_is_approved_and_quoted_again(hub, owner):
    read(hub, owner, "budgets", "rule", "--approval-above", "0")
    assert read(hub, owner, "budgets", "rule", "--low-balance", "1.5") == {
        "approval_above_uc": 0,
        "low_balance_uc": 1_500_000,
        "is_low": False,
    }
    member = act(make_member_token(act(owner, now=utc_now()), Role.MEMBER, now=utc_now()), now=utc_now())
    order_id = place_order(actor=member, quote_id=ask(member, seconds=seconds_now()).id, now=at(seconds_now()))
    (waiting,) = read(hub, owner, "approvals", "list")
    approved = read(hub, owner, "approvals", "approve", order_id, "--reason", "For the fair.")
    read(hub, owner, "budgets", "rule", "--approval-above", "none")
    again = read(hub, owner, "orders", "repeat", order_id)
    taken = read(hub, owner, "orders", "take", again["quote_id"])

    assert waiting["id"] == order_id
    assert approved["order"]["state"] == taken["state"] == "placed"
    assert Order.objects.count() == 2
    assert [order["id"] for order in read(hub, owner, "orders")] == [taken["id"], order_id]


def test_a_run_that_waits_ends_with_the_reason_once_its_order_is_refused(hub, owner, tmp_path):
    read(hub, owner, "budgets", "rule", "--approval-above", "0")
    member = make_member_token(act(owner, now=utc_now()), Role.MEMBER, now=utc_now())
    job = tmp_path / "job.yaml"
    job.write_text("name: fair\ncommand: echo 42\nwalltime: 1m\n", encoding="utf-8")
    env = {"LILONG_HUB": hub.url, "LILONG_TOKEN": member}
    with ThreadPoolExecutor(1) as executor:
        run = executor.submit(lilong, "run", str(job), "--max-cost", "5", env=env)
        (waiting,) = wait_until(lambda: read(hub, owner, "approvals", "list"), within_s=60, every_s=0.5)
        read(hub, owner, "approvals", "refuse", waiting["id"], "--reason", "Not before the fair.")
        done = run.result(timeout=60)

    assert done.returncode == 6
    assert "The order was not approved" in done.stderr
    assert "Not before the fair." in done.stderr
