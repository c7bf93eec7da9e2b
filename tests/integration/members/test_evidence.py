from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import CaseClosed, CaseMissing, Decision, decide_case, open_case
from lilong.foundation.cases.services.evidence import (
    list_case_evidence,
    open_case_evidence,
    verify_case_evidence,
)
from lilong.foundation.members.public.evidence import EvidenceMissing, get_many_evidence, list_expiring
from lilong.foundation.members.queries.evidence import (
    get_evidence,
    list_evidence,
    list_own_expiring,
    load_evidence_kinds,
)
from lilong.foundation.members.services.evidence import (
    EvidenceInvalid,
    EvidenceOver,
    give_evidence,
    verify_evidence,
    withdraw_evidence,
)
from lilong.foundation.objects.services.references import ObjectHeld, delete_object
from lilong.foundation.record.models import Payload
from tests.bytes import fresh, fresh_document, upload
from tests.people import NOW, found_operator, found_owner, join

TODAY = NOW.date()
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def home(settings, tmp_path):
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    (tmp_path / "objects").mkdir()


def give(actor, *, kind="insurance", content=b"", issued_on=TODAY, expires_on=TODAY + timedelta(days=30), **changed):
    fields = {"sha256": upload(content or fresh_document(20), organisation_id=actor.organisation_id), "now": NOW}
    return give_evidence(
        actor=actor, kind=kind, title="Liability", issued_on=issued_on, expires_on=expires_on, **fields | changed
    )


def open_review(owner, *, opened_by=""):
    return open_case(
        kind="supermarket.dispute",
        subject_id=owner.organisation_id,
        organisation_id=owner.organisation_id,
        opened_by=opened_by,
        facts={},
        now=NOW,
    )


def state_of(given, *, days=0):
    return get_many_evidence(evidence_ids=[given.id], now=NOW + timedelta(days=days))[given.id].state


def test_a_document_is_given_once_and_named_by_id_and_digest():
    owner = found_owner()
    content = fresh_document(20)
    given = give(owner, content=content)

    assert give(owner, content=content).id == given.id
    (found,) = get_many_evidence(evidence_ids=[given.id, "evd_0"], now=NOW).values()
    assert (found.sha256, found.size_bytes, found.state) == (given.sha256, 20, "given")


def test_a_document_expires_on_its_day():
    given = give(found_owner())

    assert state_of(given, days=29) == "given"
    assert state_of(given, days=30) == "expired"


def test_what_is_in_the_wallet_is_not_deleted_until_it_is_withdrawn():
    owner = found_owner()
    given = give(owner)
    with pytest.raises(ObjectHeld):
        delete_object(organisation_id=owner.organisation_id, sha256=given.sha256, now=NOW)

    for _ in range(2):
        withdraw_evidence(actor=owner, evidence_id=given.id, now=NOW)

    assert state_of(given) == "withdrawn"
    delete_object(organisation_id=owner.organisation_id, sha256=given.sha256, now=NOW)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"kind": "horoscope"}, "kind"),
        ({"expires_on": None}, "expires_on"),
        ({"expires_on": TODAY}, "expires_on"),
        ({"issued_on": TODAY + timedelta(days=2)}, "issued_on"),
        ({"sha256": "0" * 64}, "sha256"),
    ],
)
def test_a_document_that_cannot_be_is_refused_by_field(changed, field):
    with pytest.raises(EvidenceInvalid) as refused:
        give(found_owner(), **changed)
    assert [problem.path for problem in refused.value.fields] == [field]


def test_only_documents_are_taken_whatever_they_are_called():
    owner = found_owner()
    with pytest.raises(EvidenceInvalid) as refused:
        give(owner, content=b"<html>" + fresh(20))
    assert [problem.message for problem in refused.value.fields] == ["It must be a PDF, PNG or JPEG file."]


def test_a_newer_document_takes_the_place_of_an_older_one_in_one_step():
    owner = found_owner()
    old = give(owner)
    new = give(owner, replaces=old.id)

    assert (state_of(old), state_of(new)) == ("withdrawn", "given")
    assert give(owner, content=b"", sha256=new.sha256, replaces=old.id).id == new.id
    with pytest.raises(EvidenceMissing):
        give(found_owner(), replaces=new.id)
    assert state_of(new) == "given"


def test_bytes_of_another_organisation_are_nobodys_evidence():
    sha256 = upload(fresh_document(20), organisation_id=found_owner().organisation_id)
    with pytest.raises(EvidenceInvalid):
        give(found_owner(), sha256=sha256)


def test_members_look_and_only_keepers_change():
    owner = found_owner()
    given, viewer = give(owner), join(owner, Role.VIEWER)

    assert get_evidence(actor=viewer, evidence_id=given.id, now=NOW).id == given.id
    with pytest.raises(NotAllowed):
        give(viewer)
    with pytest.raises(NotAllowed):
        withdraw_evidence(actor=join(owner, Role.MEMBER), evidence_id=given.id, now=NOW)


def test_neither_strangers_nor_operators_without_a_case_see_a_document():
    given = give(found_owner())
    for actor in (found_owner(), found_operator()):
        assert not list_evidence(actor=actor, cursor=None, limit=10, now=NOW).items
        with pytest.raises(EvidenceMissing):
            get_evidence(actor=actor, evidence_id=given.id, now=NOW)
        with pytest.raises(EvidenceMissing):
            withdraw_evidence(actor=actor, evidence_id=given.id, now=NOW)


def test_who_decides_a_case_reads_and_verifies_while_it_is_open_and_the_record_says_so():
    owner, operator = found_owner(), found_operator()
    content = fresh_document(20)
    given, case_id = give(owner, content=content), open_review(owner)

    assert [each.id for each in list_case_evidence(actor=operator, case_id=case_id, now=NOW)] == [given.id]
    opened = open_case_evidence(actor=operator, case_id=case_id, evidence_id=given.id, now=NOW)
    assert (opened.filename, opened.media_type) == ("Liability.pdf", "application/pdf")
    assert b"".join(opened.reader.chunks) == content
    for reason in ("Checked with the insurer.", "Again."):
        verify_case_evidence(actor=operator, case_id=case_id, evidence_id=given.id, reason=reason, now=NOW)

    found = get_evidence(actor=owner, evidence_id=given.id, now=NOW)
    assert (found.state, found.verified_by, found.verification) == (
        "verified",
        operator.person_id,
        "Checked with the insurer.",
    )
    said = Payload.objects.filter(entry__subject_id=given.id).order_by("entry_id").values_list("content", flat=True)
    assert [next(deed for deed in ("given", "opened", "verified") if f'"{deed}"' in each) for each in said] == [
        "given",
        "opened",
        "verified",
    ]
    decide_case(actor=operator, case_id=case_id, decision=Decision.APPROVE, reason="Fine.", now=NOW)
    with pytest.raises(CaseClosed):
        list_case_evidence(actor=operator, case_id=case_id, now=NOW)


def test_who_may_not_decide_the_case_sees_no_document_by_it():
    owner, operator = found_owner(), found_operator()
    given = give(owner)
    case_id = open_review(owner, opened_by=operator.person_id)
    with pytest.raises(NotAllowed):
        list_case_evidence(actor=operator, case_id=case_id, now=NOW)
    with pytest.raises(NotAllowed):
        open_case_evidence(actor=owner, case_id=case_id, evidence_id=given.id, now=NOW)
    with pytest.raises(CaseMissing):
        list_case_evidence(actor=found_owner(), case_id=case_id, now=NOW)


def test_a_case_shows_the_documents_of_its_own_organisation_alone():
    owner, other, operator = found_owner(), found_owner(), found_operator()
    case_id, foreign = open_review(owner), give(other)

    assert list_case_evidence(actor=operator, case_id=case_id, now=NOW) == []
    for deed in (open_case_evidence, verify_case_evidence):
        reason = {"reason": "Seen."} if deed is verify_case_evidence else {}
        with pytest.raises(EvidenceMissing):
            deed(actor=operator, case_id=case_id, evidence_id=foreign.id, now=NOW, **reason)
    assert Case.objects.get().state == "open"


def test_what_is_withdrawn_or_over_is_not_verified():
    owner, operator = found_owner(), found_operator()
    withdrawn, over = give(owner), give(owner)
    withdraw_evidence(actor=owner, evidence_id=withdrawn.id, now=NOW)
    for given, now in ((withdrawn, NOW), (over, NOW + timedelta(days=30))):
        with pytest.raises(EvidenceOver):
            verify_evidence(
                actor=operator, organisation_id=owner.organisation_id, evidence_id=given.id, reason="Seen.", now=now
            )
    with pytest.raises(NotFound):
        open_case_evidence(actor=operator, case_id=open_review(owner), evidence_id=withdrawn.id, now=NOW)


def test_what_expires_soon_is_found_before_it_does():
    owner = found_owner()
    soon = give(owner, expires_on=TODAY + timedelta(days=10))
    give(owner, expires_on=TODAY + timedelta(days=11))
    gone = give(owner, expires_on=TODAY + timedelta(days=9))
    withdraw_evidence(actor=owner, evidence_id=gone.id, now=NOW)
    give(owner, kind="registration", expires_on=None)

    assert [each.id for each in list_expiring(within_days=10, now=NOW)] == [soon.id]
    assert [each.id for each in list_own_expiring(actor=owner, within_days=10, now=NOW)] == [soon.id]
    assert not list_own_expiring(actor=found_owner(), within_days=10, now=NOW)
    assert not list_expiring(within_days=10, now=NOW + timedelta(days=11))


def test_the_published_kinds_have_names_in_both_languages():
    kinds = load_evidence_kinds().kinds

    assert {"registration", "tax_id", "export_control", "data_protection", "insurance"} <= kinds.keys()
    assert all(kind.name_en and kind.name_zh and len(kind.code) <= 32 for kind in kinds.values())
