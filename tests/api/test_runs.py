"""Runs over HTTP, from the order to the last artefact; the agent's side over its own roads."""

import pytest
from django.test import Client

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.runs.models import Run
from lilong.platforms.supermarket.reactions import reconcile
from lilong.protocol.messages import Artefact, AttemptState, Cancel, Reason
from tests.api.calls import call, get, make_buyer_token, post, read_problem, seconds_now
from tests.bytes import fresh
from tests.market import finish, open_stall
from tests.people import act, make_member_token, make_operator_token
from tests.pools import bring, make_spec

S = AttemptState
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def buyer_token(home):
    """Return the token of an owner whose organisation has money."""
    return make_buyer_token()


@pytest.fixture
def agent():
    """Return the agent of the one pool on the shelf."""
    return open_stall().agent


@pytest.fixture
def order(agent, buyer_token):
    """Return how to order a job: the answer says which run it is."""

    def place(**fields):
        quoted = post("quotes", buyer_token, {"spec": make_spec(**fields).model_dump(mode="json")})
        return post("orders", buyer_token, {"quote_id": quoted["quote_id"]})

    return place


def colleague(token, role=Role.MEMBER):
    """Return the token of somebody else in the same organisation."""
    return make_member_token(act(token, now=utc_now()), role, now=utc_now())


def write_log(agent, attempt_id, content, *, offset=0, rank=0):
    """Send bytes of a log as the agent does."""
    answer = Client().put(
        f"/agent/v1/attempts/{attempt_id}/log/{rank}?offset={offset}",
        data=content,
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {agent.pool_token}"},
    )
    assert answer.status_code == 200, answer.content


def read_log(run_id, token, **query):
    """Return the bytes of a log and what the headers say of them."""
    words = "&".join(f"{name}={value}" for name, value in query.items())
    answer = call("GET", f"runs/{run_id}/log?{words}", token)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    return answer.content, {name: answer[f"Log-{name}"] for name in ("Attempt", "Size", "Next", "Complete")}


def test_a_run_is_followed_from_the_queue_to_its_artefacts(agent, order, buyer_token):
    run_id = order()["run_id"]
    waiting = get(f"runs/{run_id}", buyer_token)
    assert (waiting["state"], waiting["finished"], waiting["artefacts"]) == ("pending", False, [])
    assert waiting["waiting_reason"]

    began = seconds_now()
    taken = agent.take(seconds=began)
    agent.sync(agent.see(taken, S.RUNNING, seconds=began + 10, ms=5_000), seconds=began + 10)
    running = get(f"runs/{run_id}", buyer_token)
    assert (running["state"], running["metered_ms"], running["finished_at"]) == ("active", 5_000, None)

    content = fresh(300)
    sha256 = bring(agent, taken, content, seconds=began + 11)
    artefact = Artefact(path="out/model.bin", sha256=sha256, size_bytes=300)
    agent.sync(
        agent.see(taken, S.SUCCEEDED, seconds=began + 20, ms=6_000, artefacts=(artefact,), exit_code=0),
        seconds=began + 20,
    )
    done = get(f"runs/{run_id}", buyer_token)
    assert (done["state"], done["finished"], done["billable_ms"], done["waiting_reason"]) == (
        "succeeded",
        True,
        6_000,
        "",
    )
    [attempt] = done["attempts"]
    assert (attempt["id"], attempt["state"], attempt["exit_code"], attempt["final"]) == (
        taken.attempt_id,
        "succeeded",
        0,
        True,
    )
    assert done["artefacts"] == [
        {"attempt_number": 1, "path": "out/model.bin", "sha256": sha256, "size_bytes": 300},
    ]
    download = Client().get(f"/api/v1/objects/{sha256}", headers={"Authorization": f"Bearer {buyer_token}"})
    assert download.getvalue() == content


def test_runs_are_listed_newest_first_page_by_page(order, buyer_token):
    placed = [order(name=f"job-{number}")["run_id"] for number in range(3)]
    first = get("runs?limit=2", buyer_token)
    rest = get(f"runs?limit=2&cursor={first['next_cursor']}", colleague(buyer_token, Role.VIEWER))

    assert [run["id"] for run in [*first["items"], *rest["items"]]] == placed[::-1]
    assert rest["next_cursor"] is None
    shown = get(f"runs/{placed[2]}", buyer_token)
    assert {**first["items"][0], "waiting_reason": ""} == {**shown, "waiting_reason": ""}


def test_a_log_is_read_while_it_grows_from_where_one_stopped(agent, order, buyer_token):
    run_id = order()["run_id"]
    taken = agent.take(seconds=seconds_now())
    assert read_log(run_id, buyer_token) == (b"", {"Attempt": "1", "Size": "0", "Next": "0", "Complete": "false"})

    write_log(agent, taken.attempt_id, b"epoch 1\n")
    content, told = read_log(run_id, buyer_token, limit=5)
    assert (content, told["Next"], told["Size"], told["Complete"]) == (b"epoch", "5", "8", "false")
    assert read_log(run_id, buyer_token, offset=5)[0] == b" 1\n"

    write_log(agent, taken.attempt_id, b"\xff\0\n", offset=8)
    ends = seconds_now() + 5
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=ends, ms=1_000, log_bytes={0: 11}), seconds=ends)
    content, told = read_log(run_id, buyer_token, offset=8)
    assert (content, told["Next"], told["Complete"]) == (b"\xff\0\n", "11", "true")
    assert read_log(run_id, buyer_token, offset=999) == (
        b"",
        {"Attempt": "1", "Size": "11", "Next": "11", "Complete": "true"},
    )
    assert read_log(run_id, buyer_token, limit=5)[1]["Complete"] == "false"


def test_each_attempt_has_a_log_and_the_newest_is_shown(agent, order, buyer_token):
    run_id = order()["run_id"]
    began = seconds_now()
    for number in (1, 2):
        taken = agent.take(seconds=began + 100 * number)
        write_log(agent, taken.attempt_id, f"try {number}".encode())
        failed = {"state": S.FAILED, "reason": Reason.SHIM_LOST} if number == 1 else {"state": S.SUCCEEDED}
        finish(agent, ms=5_000, seconds=began + 100 * number, submit=taken, log_bytes={0: 5}, **failed)

    assert [attempt["state"] for attempt in get(f"runs/{run_id}", buyer_token)["attempts"]] == ["failed", "succeeded"]
    assert read_log(run_id, buyer_token)[0] == b"try 2"
    assert read_log(run_id, buyer_token, attempt=1)[0] == b"try 1"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("attempt=2", 404, "runs.attempt_missing"),
        ("rank=1", 422, "runs.rank_missing"),
        ("rank=-1", 422, "input.invalid"),
        ("offset=-1", 422, "input.invalid"),
        ("limit=0", 422, "input.invalid"),
        ("limit=1048577", 422, "input.invalid"),
        ("from=0", 422, "input.parameter_unknown"),
    ],
)
def test_a_part_of_a_log_that_there_cannot_be_is_refused(order, buyer_token, query, status, code):
    problem = read_problem(call("GET", f"runs/{order()['run_id']}/log?{query}", buyer_token))
    assert (problem["status"], problem["code"]) == (status, code)


def test_a_private_log_is_for_who_ordered_and_no_log_is_for_the_hub(order, buyer_token):
    private, shared = order(log_visibility="submitter")["run_id"], order()["run_id"]
    operator = make_operator_token(now=utc_now())
    answers = {
        (run_id, token): call("GET", f"runs/{run_id}/log", token).status_code
        for run_id in (private, shared)
        for token in (buyer_token, colleague(buyer_token), operator)
    }

    assert list(answers.values()) == [200, 403, 403, 200, 200, 403]
    assert get(f"runs/{private}", operator)["id"] == private


def test_the_spec_of_a_run_names_its_secrets_and_keeps_them(order, buyer_token):
    value = "one two three"
    assert call("PUT", "secrets/API_KEY", buyer_token, {"value": value}).status_code == 204
    run_id = order(secrets=["API_KEY"])["run_id"]

    spec = call("GET", f"runs/{run_id}/spec", buyer_token).content.decode()
    assert get(f"runs/{run_id}/spec", buyer_token) == make_spec(secrets=["API_KEY"]).model_dump(mode="json")
    assert value not in spec + call("GET", f"runs/{run_id}", buyer_token).content.decode()


def test_a_run_is_stopped_by_cancelling_its_order_and_what_it_used_is_charged(agent, order, buyer_token):
    placed = order()
    began = seconds_now()
    taken = agent.take(seconds=began)
    agent.sync(agent.see(taken, S.RUNNING, seconds=began + 10, ms=8_000), seconds=began + 10)
    for _ in range(2):
        assert post(f"orders/{placed['id']}/cancel", buyer_token, None, status=200)["order"]["cancel_requested_at"]
    assert get(f"runs/{placed['run_id']}", buyer_token)["state"] == "stopping"

    commands = agent.sync(agent.see(taken, S.RUNNING, seconds=began + 11, ms=9_000), seconds=began + 11).commands
    assert [command.attempt_id for command in commands if isinstance(command, Cancel)] == [taken.attempt_id]
    finish(agent, ms=10_000, state=S.CANCELLED, seconds=began + 12, submit=taken, reason=Reason.CANCELLED_BY_MEMBER)
    reconcile(now=utc_now())
    run = get(f"runs/{placed['run_id']}", buyer_token)
    assert (run["state"], run["reason"], run["finished"]) == ("cancelled", "cancelled_by_member", True)
    settled = get(f"orders/{placed['id']}", buyer_token)["order"]
    assert (settled["state"], settled["charged_uc"]) == ("settled", run["billable_ms"] * 250_000 // 1_000_000)
    assert settled["charged_uc"] + settled["refunded_uc"] == settled["max_uc"]


@pytest.mark.parametrize(("method", "path"), [("POST", "runs"), ("DELETE", "runs/{}"), ("POST", "runs/{}/cancel")])
def test_nothing_runs_or_ends_but_by_an_order(order, buyer_token, method, path):
    run_id = order()["run_id"]
    answer = call(method, path.format(run_id), buyer_token, {"spec": make_spec().model_dump(mode="json")})

    assert answer.status_code in {404, 405}
    assert list(Run.objects.values_list("id", "stopped_at")) == [(run_id, None)]
