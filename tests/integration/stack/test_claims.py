"""Claims that are added, handed in and withdrawn: nothing is lost, and the record keeps who and why."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from lilong.common.errors import NotAllowed
from lilong.common.permissions import PUBLIC
from lilong.foundation.record.models import Payload
from lilong.platforms.stack import services
from lilong.platforms.stack.core.checks import ClaimInvalid, Draft
from lilong.platforms.stack.core.claims import Confidence, Source, Tier
from lilong.platforms.stack.models import AddedClaim
from lilong.platforms.stack.public import COMPARED, get_dossier, hand_in_measurement, list_dossiers
from lilong.platforms.stack.queries import AcceleratorMissing, ClaimMissing, End, get_claim, load_shipped
from lilong.platforms.stack.services import (
    CLAIMS_MAX,
    ClaimDoubled,
    ClaimEnded,
    ClaimsFull,
    add_claim,
    withdraw_claim,
)
from tests.people import NOW, found_operator, found_owner
from tests.pools import at

pytestmark = pytest.mark.django_db
DRAFT = Draft(
    property="memory_gb",
    value="94",
    tier=Tier.DATASHEET,
    confidence=Confidence.HIGH,
    source=Source(title="NVIDIA: H100 NVL", url="https://example.org/nvl", dated_on=date(2025, 5, 1)),
)
MEASURED = Draft(
    property="fp16_bf16_dense_tflops",
    value="712.5",
    conditions="BF16, 8192 x 8192",
    tier=Tier.MEASURED,
    confidence=Confidence.HIGH,
    source=Source(title="Benchmark gemm 1"),
)


def find(code: str = "memory_gb", *, name: str = "h100-sxm5") -> Any:
    return get_dossier(actor=PUBLIC, name=name).find(code)


def values(code="memory_gb"):
    return [claim.value for claim in find(code).claims]


def add(draft=DRAFT, *, name="H100", seconds=0):
    return add_claim(actor=found_operator(), name=name, draft=draft, now=at(seconds))


def recorded(subject_id):
    rows = Payload.objects.filter(entry__subject_id=subject_id).order_by("entry_id")
    return [(row.entry.kind, json.loads(row.content)) for row in rows]


def test_an_operator_adds_a_claim_which_stands_beside_what_ships_in_two_queries(django_assert_num_queries):
    claim_id = add()

    with django_assert_num_queries(2):
        memory = find()
    assert [claim.value for claim in memory.claims] == ["94", "80"]  # its source has a date
    assert claim_id in memory.conflicting
    assert len(memory.conflicting) == 2


def test_the_record_keeps_who_claims_what():
    operator = found_operator()
    claim_id = add_claim(actor=operator, name="h100-sxm5", draft=DRAFT, now=NOW)

    [(kind, says)] = recorded(claim_id)
    assert kind == "stack.claim_added"
    assert says["by"] == operator.person_id
    assert (says["value"], says["source"]["dated_on"]) == ("94", "2025-05-01")


def test_members_add_and_withdraw_nothing():
    owner, shipped = found_owner(), find().claims[0].id
    with pytest.raises(NotAllowed):
        add_claim(actor=owner, name="h100-sxm5", draft=DRAFT, now=NOW)
    with pytest.raises(NotAllowed):
        withdraw_claim(actor=owner, claim_id=shipped, reason="No.", now=NOW)

    assert not AddedClaim.objects.exists()


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(AcceleratorMissing, match="h100-sxm5"):
        add(name="H10O")
    with pytest.raises(AcceleratorMissing, match="mi300x"):
        find(name="MI300")


def test_the_same_of_the_same_source_is_refused_and_of_another_it_is_another_claim():
    first = add()
    with pytest.raises(ClaimDoubled) as refused:
        add(seconds=1)
    add(replace(DRAFT, source=Source(title="A board in hand")))

    assert refused.value.facts == {"claim_id": first}
    assert values() == ["94", "94", "80"]


def test_what_ships_is_known_to_be_claimed_already():
    shipped = find().claims[0]
    with pytest.raises(ClaimDoubled):
        add(replace(DRAFT, value="80.0", source=shipped.sources[0]))


def test_a_withdrawn_claim_stays_to_be_read_and_can_be_claimed_anew():
    claim_id, operator = add(), found_operator()
    withdraw_claim(actor=operator, claim_id=claim_id, reason=" That is another board. ", now=at(60))

    assert values() == ["80"]
    [ended] = get_dossier(actor=PUBLIC, name="H100").ended
    assert ended.end == End(reason="That is another board.", withdrawn_at=at(60))
    assert ended.claim.id == claim_id
    assert get_claim(actor=PUBLIC, claim_id=claim_id) == ended
    assert recorded(claim_id)[-1] == (
        "stack.claim_withdrawn",
        {"accelerator": "h100-sxm5", "reason": "That is another board.", "by": operator.person_id},
    )
    assert add(seconds=120) != claim_id


def test_a_claim_that_ships_is_withdrawn_like_any_other():
    shipped = find().claims[0].id
    withdraw_claim(actor=found_operator(), claim_id=shipped, reason="Wrong.", now=NOW)

    assert find() is None
    end = get_claim(actor=PUBLIC, claim_id=shipped).end
    assert end is not None
    assert end.reason == "Wrong."
    assert all(
        claim.id != shipped
        for each in list_dossiers(actor=PUBLIC, properties=COMPARED)
        for f in each.findings
        for claim in f.claims
    )


def test_a_claim_ends_once():
    claim_id = add()
    withdraw_claim(actor=found_operator(), claim_id=claim_id, reason="Wrong.", now=NOW)
    with pytest.raises(ClaimEnded, match="Wrong"):
        withdraw_claim(actor=found_operator(), claim_id=claim_id, reason="Again.", now=NOW)

    assert [kind for kind, _ in recorded(claim_id)] == ["stack.claim_added", "stack.claim_withdrawn"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_a_withdrawal_says_why(reason):
    with pytest.raises(ClaimInvalid):
        withdraw_claim(actor=found_operator(), claim_id=find().claims[0].id, reason=reason, now=NOW)


def test_what_nobody_claims_is_not_found():
    with pytest.raises(ClaimMissing):
        get_claim(actor=PUBLIC, claim_id="clm_" + "0" * 32)


def test_a_run_that_measured_hands_in_once_however_often_it_is_told():
    first = hand_in_measurement(name="H100", draft=MEASURED, run_id="run_1", now=NOW)
    again = hand_in_measurement(name="h100-sxm5", draft=replace(MEASURED, value="1"), run_id="run_1", now=at(9))
    other = hand_in_measurement(name="H100", draft=MEASURED, run_id="run_2", now=at(10))

    assert first == again != other
    peak = find("fp16_bf16_dense_tflops")
    assert [(claim.value, claim.run_id) for claim in peak.claims[:2]] == [("712.5", "run_2"), ("712.5", "run_1")]
    assert not peak.conflicting  # what was measured under conditions contradicts no peak
    assert [says["run_id"] for _, says in recorded(first)] == ["run_1"]


def test_what_was_not_measured_by_a_run_is_not_handed_in():
    for draft, run_id in ((DRAFT, "run_1"), (MEASURED, "")):
        with pytest.raises(ClaimInvalid):
            hand_in_measurement(name="H100", draft=draft, run_id=run_id, now=NOW)


def test_the_database_takes_no_claim_of_a_run_that_is_called_anything_but_measured():
    claim_id = hand_in_measurement(name="H100", draft=MEASURED, run_id="run_1", now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        AddedClaim.objects.filter(id=claim_id).update(tier=Tier.PRESS)


def test_there_is_a_limit_to_what_is_claimed_of_one_accelerator(monkeypatch):
    monkeypatch.setattr(services, "CLAIMS_MAX", 1)
    add()
    with pytest.raises(ClaimsFull) as refused:
        add(replace(DRAFT, value="95"))
    with pytest.raises(ClaimsFull):
        hand_in_measurement(name="H100", draft=MEASURED, run_id="run_1", now=NOW)
    add(name="L40S")

    assert refused.value.facts == {"limit": 1, "used": 1}
    assert CLAIMS_MAX >= 1000


def test_all_accelerators_are_compared_in_two_queries(django_assert_num_queries):
    add(replace(DRAFT, tier=Tier.MEASURED))
    with django_assert_num_queries(2):
        dossiers = list_dossiers(actor=PUBLIC, properties=COMPARED)

    by_id = {each.accelerator.id: each for each in dossiers}
    assert len(by_id) == 31
    memory = by_id["h100-sxm5"].find("memory_gb")
    assert memory is not None
    assert memory.claims[0].value == "94"
    assert {finding.property.code for each in dossiers for finding in each.findings} <= set(COMPARED)
    assert by_id["kunlunxin-p800"].find("memory_gb") is None  # unknown stays unknown


def test_what_ships_needs_no_table():
    assert not AddedClaim.objects.exists()
    assert len(load_shipped().claims) > 300
