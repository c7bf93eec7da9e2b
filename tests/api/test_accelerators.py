"""What is claimed of accelerators, read and written over HTTP."""

import json

import pytest
from django.test import Client

from lilong.common.time import utc_now
from tests.api.calls import call, get, post, read_problem
from tests.people import found_organisation_today, make_operator_token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
SOURCE = {"title": "A board in hand", "url": "https://example.org/board", "dated_on": "2026-01-31"}
BODY = {"property": "memory_gb", "value": "94.0", "tier": "operator", "confidence": "low", "source": SOURCE}


@pytest.fixture
def operator(home):
    return make_operator_token(now=utc_now())


def look(path):
    """Return what anybody reads."""
    answer = Client().get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def test_anybody_reads_what_is_claimed_best_first():
    listed = look("accelerators")["items"]
    dossier = look("accelerators/昇腾910B")

    assert len(listed) == 31
    assert dossier["accelerator"] in listed
    peaks = [claim for claim in dossier["claims"] if claim["property"] == "fp16_bf16_dense_tflops"]
    assert (peaks[0]["value"], peaks[0]["unit"], peaks[0]["tier"]) == ("313.182", "TFLOPS", "measured")
    assert all(claim["is_conflicting"] for claim in peaks)
    assert peaks[0]["sources"][0]["commit"] == "1b5a0303"
    assert (peaks[0]["release"], peaks[0]["added_at"], peaks[0]["end"]) == (1, None, None)
    assert look(f"claims/{peaks[0]['id']}") == peaks[0]
    assert len(dossier["release_sha256"]) == 64


def test_an_operator_adds_a_claim_once_and_withdraws_it(operator):
    created = post("accelerators/H100/claims", operator, BODY, key="c1")
    assert post("accelerators/H100/claims", operator, BODY, key="c1") == created
    claim = look(f"claims/{created['id']}")
    assert (claim["value"], claim["release"], claim["is_conflicting"]) == ("94", None, True)
    assert claim["sources"] == [{**SOURCE, "commit": ""}]

    ended = post(f"claims/{created['id']}/withdraw", operator, {"reason": "Another board."}, status=200)
    assert ended["end"]["reason"] == "Another board."
    assert look("accelerators/h100-sxm5")["ended"] == [ended]
    again = call("POST", f"claims/{created['id']}/withdraw", operator, {"reason": "Again."})
    assert read_problem(again)["code"] == "claim.ended"


@pytest.mark.parametrize(
    ("name", "wrong", "code"),
    [
        ("H10O", {}, "accelerator.missing"),
        ("H100", {"value": "94 GB"}, "claim.invalid"),
        ("H100", {"property": "colour"}, "claim.invalid"),
        ("H100", {"source": {"title": "Somebody", "url": "javascript:alert(1)"}}, "claim.invalid"),
        ("H100", {"source": {"title": " "}}, "input.invalid"),
        ("H100", {"tier": "rumour"}, "input.invalid"),
    ],
)
def test_what_cannot_be_claimed_is_refused_with_a_code(operator, name, wrong, code):
    assert read_problem(call("POST", f"accelerators/{name}/claims", operator, {**BODY, **wrong}))["code"] == code


def test_an_unknown_name_is_answered_with_the_nearest():
    problem = read_problem(call("GET", "accelerators/MI300", ""))

    assert (problem["status"], problem["code"]) == (404, "accelerator.missing")
    assert "mi300x" in problem["detail"]


def test_members_read_and_claim_nothing():
    token = found_organisation_today().token.secret

    assert get("accelerators/h100-sxm5", token)["ended"] == []
    assert call("POST", "accelerators/h100-sxm5/claims", token, BODY).status_code == 403
