"""Wrong jobs, quotes gone bad, empty wallets, repeated calls: each refused clearly, and the books stay as they were."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from lilong.common.time import utc_now
from lilong.foundation.ledger.models import Transfer
from lilong.foundation.ledger.public import AccountKind, open_account
from lilong.foundation.members.models import OrganisationStanding
from lilong.foundation.runs.models import Run
from lilong.platforms.supermarket.models import Order, Quote
from tests.api.calls import call, get, make_buyer_token, post, read_problem
from tests.market import CREDIT, open_stall, pay_in
from tests.market import ask as ask_in_march
from tests.people import NOW, act, found_organisation_today, make_operator_token
from tests.pools import make_spec

JOB = make_spec().model_dump(mode="json")
EARNED = AccountKind.PROVIDER_AVAILABLE
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def buyer_token(home):
    """Return the token of an owner whose organisation has money; there is something to buy."""
    open_stall()
    return make_buyer_token()


def refuse(path, token, body, *, key=""):
    """Call it and return status and problem; nothing may have run, and no transfer been made."""
    transfers = list(Transfer.objects.values())
    answer = call("POST", path, token, body, key=key)
    problem = read_problem(answer)
    assert problem["next_step"]
    assert list(Transfer.objects.values()) == transfers
    assert not Run.objects.exists()
    require_balanced()
    return answer.status_code, problem


def require_balanced():
    assert get("ledger/verify", make_operator_token(now=utc_now()))["is_balanced"] is True


def find_wallet(token):
    [balance] = [each["balance"] for each in get("accounts", token)["items"] if each["kind"] == "wallet"]
    return balance


@pytest.mark.parametrize(
    ("fields", "status", "code", "path"),
    [
        ({"command": ""}, 422, "input.invalid", "spec.command"),
        ({"command": "x" * 8193}, 422, "input.invalid", "spec.command"),
        ({"command": "true\x1b"}, 422, "spec.invalid", "command"),
        ({"name": "No Name"}, 422, "input.invalid", "spec.name"),
        ({"walltime_s": 0}, 422, "input.invalid", "spec.walltime_s"),
        ({"walltime_s": 10**9}, 422, "input.invalid", "spec.walltime_s"),
        ({"walltime_s": "600"}, 422, "input.invalid", "spec.walltime_s"),
        ({"nodes": 10**6}, 422, "input.invalid", "spec.nodes"),
        ({"resources": {"cores": 10**6}}, 422, "input.invalid", "spec.resources.cores"),
        ({"resources": {"cores": 5}}, 422, "quote.no_offer", "resources.cores"),
        ({"surprise": 1}, 422, "input.invalid", "spec.surprise"),
        ({"inputs": [{"mount": "../etc", "object_sha256": "0" * 64}]}, 422, "spec.invalid", "inputs.0.mount"),
        ({"outputs": [{"path": f"o{n}", "max_bytes": 1} for n in range(65)]}, 422, "input.invalid", "spec.outputs"),
        ({"variables": {f"V{n}": "" for n in range(101)}}, 422, "input.invalid", "spec.variables"),
        ({"secrets": [f"S{n}" for n in range(300_000)]}, 422, "input.invalid", "spec.secrets"),
        (
            {"environment": {"requirements": ["numpy"] * 300_000}},
            422,
            "input.invalid",
            "spec.environment.requirements",
        ),
        ({"inputs": [{"mount": ".."}] * 200_000}, 422, "input.invalid", "spec.inputs"),
        ({"inputs": [{}] * 20_000}, 422, "input.invalid", "spec.inputs.0.mount"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_job_that_is_malformed_or_too_large_is_refused_by_field(buyer_token, fields, status, code, path):
    checked = call("POST", "specs/check", buyer_token, {"spec": JOB | fields})
    answered, problem = refuse("quotes", buyer_token, {"spec": JOB | fields})

    assert checked.status_code in {200, 422}
    assert (answered, problem["code"]) == (status, code)
    assert path in [field["path"] for field in problem["fields"]]
    assert len(problem["fields"]) <= 100


@pytest.mark.parametrize("path", ["quotes", "specs/check"])
def test_a_body_beyond_the_limit_is_refused_before_it_is_read(buyer_token, path):
    status, problem = refuse(path, buyer_token, {"spec": JOB | {"command": "x" * 4 * 1024**2}})

    assert (status, problem["code"]) == (413, "input.too_large")
    assert problem["facts"]["limit"] == 4 * 1024**2


def test_an_accelerator_that_nobody_knows_is_refused_with_the_nearest_names(buyer_token):
    wanted = {"accelerator": "h10O", "accelerators": 1}
    status, problem = refuse("quotes", buyer_token, {"spec": JOB | {"resources": wanted}})
    [field] = problem["fields"]

    assert (status, field["path"], field["code"]) == (422, "resources.accelerator", "spec.accelerator_unknown")
    assert "h100" in field["message"]


def test_a_quote_is_good_for_its_time_and_no_longer(buyer_token):
    buyer = act(buyer_token, now=utc_now())
    with transaction.atomic():
        OrganisationStanding.objects.filter(organisation_id=buyer.organisation_id).update(starts_on=NOW.date())
    quote_id = ask_in_march(buyer).id

    status, problem = refuse("orders", buyer_token, {"quote_id": quote_id})
    assert (status, problem["code"]) == (409, "quote.expired")


@pytest.mark.parametrize(("before", "after"), [('"max_uc":150000', '"max_uc":1'), ('"form"', ' "form"')])
def test_a_quote_that_is_not_what_was_signed_is_refused(buyer_token, before, after):
    quoted = post("quotes", buyer_token, {"spec": JOB})
    document = Quote.objects.get().document
    assert before in document
    with transaction.atomic():
        Quote.objects.update(document=document.replace(before, after))

    status, problem = refuse("orders", buyer_token, {"quote_id": quoted["quote_id"]})
    assert (status, problem["code"]) == (409, "quote.tampered")


def test_an_empty_wallet_gets_a_quote_that_says_so_and_no_order(buyer_token):
    poor = found_organisation_today().token.secret
    quoted = post("quotes", poor, {"spec": JOB})
    assert [note["code"] for note in quoted["notes"]] == ["order.funds_short"]

    for _ in range(2):
        status, problem = refuse("orders", poor, {"quote_id": quoted["quote_id"]}, key="o1")
        assert (status, problem["code"]) == (402, "order.funds_short")
    assert get(f"quotes/{quoted['quote_id']}", poor)["state"] == "quoted"


def call_at_once(*calls):
    """Make the calls at the same moment, each in a thread, and return the answers."""
    start = threading.Barrier(len(calls))

    def make(one):
        try:
            start.wait()
            return call("POST", *one[:3], key=one[3])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(make, calls))


@pytest.mark.parametrize("key", ["", "o1"], ids=["without a key", "with one key"])
def test_orders_of_one_quote_at_the_same_moment_are_one_order(buyer_token, key):
    quoted = post("quotes", buyer_token, {"spec": JOB})
    answers = call_at_once(*[("orders", buyer_token, {"quote_id": quoted["quote_id"]}, key)] * 5)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Order.objects.count() == Run.objects.count() == 1
    assert find_wallet(buyer_token)["pending_out_uc"] == quoted["max_uc"]
    require_balanced()


def test_two_quotes_at_the_same_moment_cannot_both_spend_what_is_there_for_one(buyer_token):
    job = JOB | {"walltime_s": 100 * 3600}
    quoted = [post("quotes", buyer_token, {"spec": job}) for _ in range(2)]
    assert quoted[0]["max_uc"] <= 100 * CREDIT < quoted[0]["max_uc"] + quoted[1]["max_uc"]
    answers = call_at_once(*[("orders", buyer_token, {"quote_id": each["quote_id"]}, "") for each in quoted])

    assert sorted(answer.status_code for answer in answers) == [201, 402]
    assert Run.objects.count() == 1
    assert find_wallet(buyer_token)["pending_out_uc"] == quoted[0]["max_uc"]
    require_balanced()


def test_quotes_with_one_key_at_the_same_moment_are_one_quote(buyer_token):
    answers = call_at_once(*[("quotes", buyer_token, {"spec": JOB}, "q1")] * 5)
    answers.append(call("POST", "quotes", buyer_token, {"spec": JOB}, key="q1"))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Quote.objects.count() == Order.objects.count() == 1


def test_a_key_of_a_quote_sent_with_another_job_is_refused(buyer_token):
    call("POST", "quotes", buyer_token, {"spec": JOB}, key="q1")
    again = call("POST", "quotes", buyer_token, {"spec": JOB | {"walltime_s": 7}}, key="q1")

    assert (again.status_code, read_problem(again)["code"]) == (409, "idempotency.key_reused")


def test_pay_outs_with_one_key_at_the_same_moment_hold_once(buyer_token):
    owner_id = act(buyer_token, now=utc_now()).organisation_id
    pay_in(open_account(kind=EARNED, owner_id=owner_id, purpose="", now=utc_now()), 10)
    answers = call_at_once(*[("pay-outs", buyer_token, {"amount_uc": 4, "beneficiary": "DE00"}, "p1")] * 5)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    [held] = [each["balance"] for each in get("accounts", buyer_token)["items"] if each["kind"] == EARNED]
    assert (held["pending_out_uc"], held["available_uc"]) == (4, 6)
    require_balanced()


def test_a_cancel_that_is_repeated_releases_once(buyer_token):
    placed = post("orders", buyer_token, {"quote_id": post("quotes", buyer_token, {"spec": JOB})["quote_id"]})
    path = f"orders/{placed['id']}/cancel"
    answers = [post(path, buyer_token, None, key=key, status=200) for key in ("c1", "c1", "")]

    assert {answer["order"]["cancel_requested_at"] for answer in answers} == {
        answers[0]["order"]["cancel_requested_at"]
    }
    assert find_wallet(buyer_token)["posted_uc"] == 100 * CREDIT
    require_balanced()
