"""Pages of an organisation's evidence, owners and standings, and what the desk does about them."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lilong.common.time import utc_now
from lilong.foundation.cases.core.decisions import Decision
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.reactions import reconcile
from lilong.foundation.cases.services.appeals import appeal
from lilong.foundation.cases.services.cases import decide_case
from lilong.foundation.cases.services.standings import EvidenceLacks, ask_for_standing
from lilong.foundation.members.core.standings import StandingKind
from lilong.foundation.members.models import Evidence, EvidenceUse, OrganisationStanding, OwnershipShare
from lilong.foundation.members.services.ownership import DeclaredOwner, declare_ownership
from lilong.foundation.members.services.standings import StandingAsked, StandingOverlaps
from lilong.foundation.record.models import Payload
from tests.bytes import fresh_document
from tests.desks import browse_as
from tests.people import found_operator
from tests.sign_ins import Browser

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]

QUERIES_MAX = 12
CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMED_BY_PEOPLE = {"document", "withdrawn document"}


@pytest.fixture
def home(settings, tmp_path):
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    (tmp_path / "objects").mkdir()


@pytest.fixture
def office(transactional_db, home):
    from tests.offices import Office  # noqa: PLC0415 - needs Django to be set up

    return Office(now=utc_now())


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def list_pages(office):
    people = {"owner": office.owner, "viewer": office.viewer, "operator": office.operator}
    return {name: (people[who], path) for who, pages in office.list_paths().items() for name, path in pages.items()}


def make_fields(office, *, content=b"", name="insurance.pdf", **changed):
    return {
        "kind": "insurance",
        "title": "Liability",
        "issued_on": str(office.today),
        "expires_on": str(office.today + timedelta(days=100)),
        "document": SimpleUploadedFile(name, content or fresh_document(3_000_000), content_type="application/pdf"),
    } | changed


def give(office, *, actor=None, action="/organisation/evidence/new", page="/organisation/evidence", **changed):
    return browse_as(actor or office.owner).post(action, make_fields(office, **changed), page=page)


def standings(office):
    return OrganisationStanding.objects.filter(organisation_id=office.owner.organisation_id)


def decide(office, case_id, decision, *, actor=None, reason="As agreed."):
    decide_case(actor=actor or office.operator, case_id=case_id, decision=decision, reason=reason, now=office.now)
    reconcile(office.now)


def test_every_page_opens_for_its_people_with_at_most_twelve_queries(office):
    found = {}
    for name, (actor, path) in list_pages(office).items():
        browser = browse_as(actor)
        with CaptureQueriesContext(connection) as queries:
            answer = browser.get(path)
        found[name] = (answer.status_code, len(queries))

    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(found, 200)
    assert {name: count for name, (_, count) in found.items() if count > QUERIES_MAX} == {}


def test_every_page_speaks_chinese(office):
    for name, (actor, path) in list_pages(office).items():
        browser = browse_as(actor)
        browser.client.cookies["language"] = "zh-hans"
        (title,) = re.findall(r"<h1>(.*?)</h1>", browser.get(path).content.decode(), re.DOTALL)
        assert CHINESE.search(title) or name in NAMED_BY_PEOPLE, name


def test_strangers_sign_in_first_and_others_find_nothing(office):
    paths = office.list_paths()
    for path in [*paths["owner"].values(), *paths["operator"].values()]:
        assert Browser().get(path).status_code == 302, path
    foreign = browse_as(office.stranger)
    assert foreign.get(paths["owner"]["document"]).status_code == 404
    assert foreign.get(f"/organisation/evidence/{office.lease.id}/file").status_code == 404
    assert [foreign.get(path).status_code for path in paths["operator"].values()] == [403] * len(paths["operator"])


def test_a_document_is_taken_by_page_and_comes_back_as_it_was(office):
    content = fresh_document(3_000_000)
    assert give(office, content=content).status_code == 302
    row = Evidence.objects.get(kind="insurance")

    answer = browse_as(office.viewer).get(f"/organisation/evidence/{row.id}/file")
    assert b"".join(answer.streaming_content) == content
    assert answer["Content-Disposition"] == 'attachment; filename="Liability.pdf"'
    assert answer["Content-Security-Policy"] == "sandbox"


@pytest.mark.parametrize(
    "content", [b"<html><script>alert(1)</script>" + b" " * 200_000, b"%P", b"MZ\x90\x00 not a page"]
)
def test_a_file_of_another_type_is_refused_with_what_to_do_and_what_was_typed_stays(office, content):
    before = Evidence.objects.count()
    answer = give(office, content=content, title="My policy")

    assert answer.status_code == 422
    assert "This is no PDF, PNG or JPEG file" in read(answer)
    assert 'value="My policy"' in answer.content.decode()
    assert Evidence.objects.count() == before


def test_a_file_that_is_too_large_is_refused_before_it_is_read(office):
    browser = browse_as(office.owner)
    too_much = {"content-length": str(51 * 1024**2), "accept": "text/html"}
    answer = browser.client.post("/organisation/evidence/new", {}, headers=too_much)

    assert answer.status_code == 413
    assert "choose a smaller file" in read(answer)


def test_days_that_cannot_be_are_named_at_their_field(office):
    answer = give(office, expires_on="")

    assert answer.status_code == 422
    assert "A document of this kind expires: say when." in read(answer)


def test_a_form_from_elsewhere_gives_nothing(office):
    answer = browse_as(office.owner).client.post("/organisation/evidence/new", make_fields(office))

    assert answer.status_code == 403
    assert not Evidence.objects.filter(kind="insurance").exists()


def test_who_only_looks_is_told_so_and_can_change_nothing(office):
    answer = give(office, actor=office.viewer)

    assert answer.status_code == 403
    assert "Owners, admins and people for billing" in read(browse_as(office.viewer).get("/organisation/evidence"))


def test_a_document_is_replaced_and_withdrawn_by_page(office):
    path = f"/organisation/evidence/{office.lease.id}"
    assert give(office, action=f"{path}/replace", page=path, kind="lease").status_code == 302
    new = Evidence.objects.get(kind="lease", withdrawn_at=None)
    assert Evidence.objects.get(id=office.lease.id).withdrawn_at is not None
    assert browse_as(office.owner).get(f"{path}/file").status_code == 409

    browse_as(office.owner).post(
        f"/organisation/evidence/{new.id}/withdraw", {}, page=f"/organisation/evidence/{new.id}"
    )
    assert Evidence.objects.get(id=new.id).withdrawn_at is not None


def test_a_case_shows_its_documents_and_only_who_decides_opens_them(office):
    desk = f"/desk/cases/{office.case_id}"
    page = browse_as(office.operator).get(desk).content.decode()
    link = f"{desk}/documents/{office.registration.id}"
    assert f'href="{link}"' in page
    assert str(office.lease.expires_on) in page
    opened = browse_as(office.operator).get(link)
    assert len(b"".join(opened.streaming_content)) == office.registration.size_bytes
    said = Payload.objects.filter(entry__subject_id=office.registration.id).values_list("content", flat=True)
    assert any(f"For the case {office.case_id}." in each for each in said)

    assert browse_as(office.owner).get(link).status_code == 403
    decide(office, office.case_id, Decision.APPROVE)
    assert browse_as(office.operator).get(link).status_code == 409
    after = browse_as(office.operator).get(desk).content.decode()
    assert "Registration certificate 2019" in after
    assert f'href="{link}"' not in after


def test_an_applicant_shows_another_document_and_the_wallet_says_for_what(office):
    browser = browse_as(office.owner)
    page = f"/cases/{office.case_id}"
    for _ in range(2):
        browser.client.post(f"{page}/documents", {"evidence_id": office.lease.id}, headers={"accept": "text/html"})
    assert not EvidenceUse.objects.filter(evidence_id=office.lease.id).exists()  # no token, no deed
    browser.post(f"{page}/documents", {"evidence_id": office.lease.id}, page=page)

    assert EvidenceUse.objects.filter(evidence_id=office.lease.id, subject_id=office.case_id).count() == 1
    assert f'href="{page}"' in browser.get(f"/organisation/evidence/{office.lease.id}").content.decode()
    foreign = browse_as(office.stranger).post(f"{page}/documents", {"evidence_id": office.lease.id}, page="/account/")
    assert foreign.status_code == 404


def test_a_document_is_verified_on_the_case_by_who_decides(office):
    desk = f"/desk/cases/{office.case_id}"
    browse_as(office.operator).post(
        f"{desk}/documents/{office.lease.id}/verify", {"reason": "Called the landlord."}, page=desk
    )

    assert Evidence.objects.get(id=office.lease.id).verification == "Called the landlord."
    assert "Called the landlord." in read(browse_as(office.owner).get(f"/organisation/evidence/{office.lease.id}"))


def test_the_record_of_a_decision_names_the_documents(office):
    decide(office, office.case_id, Decision.APPROVE)

    (said,) = Payload.objects.filter(entry__subject_id=office.case_id).values_list("content", flat=True)
    assert all(each.id in said and each.sha256 in said for each in (office.registration, office.statement))


def test_an_approved_application_begins_a_standing_that_names_its_case(office):
    decide(office, office.case_id, Decision.APPROVE)
    for _ in range(2):
        reconcile(office.now)

    row = standings(office).get(kind="sponsor")
    assert (row.starts_on, row.ends_on) == (office.today, office.today + timedelta(days=1095))
    assert row.case_id == office.case_id
    assert f'href="/cases/{office.case_id}"' in browse_as(office.owner).get("/organisation/standings").content.decode()


def test_a_refused_application_grants_nothing_until_an_appeal_does(office):
    decide(office, office.case_id, Decision.REFUSE, reason="The accounts are too old.")
    assert not standings(office).filter(kind="sponsor").exists()
    case_id = appeal(actor=office.owner, case_id=office.case_id, reason="There are no newer ones.", now=office.now)
    decide(office, case_id, Decision.APPROVE, actor=found_operator(now=office.now), reason="They are enough.")

    row = standings(office).get(kind="sponsor")
    assert (row.case_id, row.reason) == (case_id, "They are enough.")


def test_an_application_for_longer_begins_when_the_standing_ends(office):
    case_id = ask_for_standing(actor=office.owner, kind=StandingKind.VIRTUAL, reason="We stay.", now=office.now)
    decide(office, case_id, Decision.APPROVE)

    first, second = standings(office).filter(kind="virtual").order_by("starts_on")
    assert second.starts_on == first.ends_on == office.today + timedelta(days=90)


def test_documents_that_lack_and_expired_ones_are_named(office):
    with pytest.raises(EvidenceLacks) as refused:
        ask_for_standing(actor=office.owner, kind=StandingKind.PROVIDER, reason="We sell.", now=office.now)
    assert [problem.path for problem in refused.value.fields] == ["insurance", "information_security"]
    later = office.now + timedelta(days=25)
    with pytest.raises(EvidenceLacks) as late:
        ask_for_standing(actor=office.owner, kind=StandingKind.RESIDENT, reason="We stay.", now=later)
    assert [problem.path for problem in late.value.fields] == ["lease"]


def test_nothing_is_applied_for_twice_or_without_end_already(office):
    with pytest.raises(StandingAsked):
        ask_for_standing(actor=office.owner, kind=StandingKind.SPONSOR, reason="Again.", now=office.now)
    office.give("export_control", "Declaration", age_days=1, good_days=50)
    office.grant(StandingKind.CHAIN, days=None)
    with pytest.raises(StandingOverlaps):
        ask_for_standing(actor=office.owner, kind=StandingKind.CHAIN, reason="Again.", now=office.now)
    assert Case.objects.filter(kind="members.standing").count() == 1


def test_the_page_applies_and_leads_to_the_case(office):
    page = "/organisation/standings/ask?kind=investor"
    answer = browse_as(office.owner).post(page, {"kind": "investor", "reason": "We invest."})

    case = Case.objects.get(kind="members.standing", facts__standing="investor")
    assert answer["Location"] == f"/cases/{case.id}"
    assert EvidenceUse.objects.filter(subject_id=case.id).count() == 2


def test_an_operator_grants_extends_and_ends_by_page_but_not_round_a_case(office):
    desk = f"/desk/organisations/{office.owner.organisation_id}/standings"
    browser = browse_as(office.operator)
    fields = {"starts_on": str(office.today), "ends_on": "", "reason": "Agreed."}
    assert browser.post(desk, fields | {"kind": "chain"}).status_code == 302
    refused = browser.post(desk, fields | {"kind": "sponsor"})
    assert (refused.status_code, "A case about this standing is open" in read(refused)) == (409, True)
    assert browser.post(desk, fields | {"kind": "chain", "reason": " "}).status_code == 422

    row = standings(office).get(kind="chain")
    page, until = f"{desk}/{row.id}/end", office.today + timedelta(days=5)
    assert browser.post(page, {"ends_on": str(office.today - timedelta(days=1)), "reason": "x"}).status_code == 422
    assert browser.post(page, {"ends_on": str(until), "reason": "They move out."}).status_code == 302
    assert standings(office).get(kind="chain").ends_on == until
    assert Payload.objects.filter(entry__subject_id=row.id, content__contains="They move out.").exists()


def test_a_standing_that_is_asked_for_ends_by_page_but_is_not_extended(office):
    ask_for_standing(actor=office.owner, kind=StandingKind.VIRTUAL, reason="We stay.", now=office.now)
    row = standings(office).get(kind="virtual")
    page = f"/desk/organisations/{office.owner.organisation_id}/standings/{row.id}/end"
    browser = browse_as(office.operator)

    assert browser.post(page, {"ends_on": str(office.today + timedelta(days=900)), "reason": "x"}).status_code == 409
    assert browser.post(page, {"ends_on": str(office.today + timedelta(days=9)), "reason": "x"}).status_code == 302


def make_owner_fields(*rows, starts_on, **more):
    fields = {"owners-TOTAL_FORMS": str(len(rows)), "owners-INITIAL_FORMS": "0", "starts_on": str(starts_on)}
    for number, row in enumerate(rows):
        holder, name, number_typed, share = row
        said = {"holder": holder, "name": name, "number": number_typed, "share": share}
        fields |= {f"owners-{number}-{key}": value for key, value in said.items()}
    return fields | more


def test_owners_are_declared_by_page_and_empty_rows_end(office):
    rows = [
        ("outside", "Family foundation", "HRB 1234", "33.3333"),
        (office.owner.person_id, "", "", "50"),
        ("outside", "", "", ""),
    ]
    browser = browse_as(office.owner)
    answer = browser.post("/organisation/ownership", make_owner_fields(*rows, starts_on=office.today))

    assert answer.status_code == 302, read(answer)
    found = OwnershipShare.objects.filter(organisation_id=office.owner.organisation_id, ends_on=None)
    assert sorted(found.values_list("share_ppm", flat=True)) == [333_333, 500_000]
    browser.post("/organisation/ownership/end", {}, page="/organisation/ownership")
    assert not found.exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("outside", "A", "1", "60"), ("outside", "B", "2", "41")], "at most 100 per cent"),
        ([("outside", "", "1", "60")], "Give the name."),
        ([("outside", "A", "", "60")], "Give the number or id"),
        ([("organisation", "", "org_1", "60")], "It must be the id of another organisation."),
        ([("outside", "A", "1", "")], "Say how much."),
        ([("outside", "A", "1", "10"), ("outside", "B", "1", "10")], "This owner is named already."),
        ([("outside", "", "", "")], "Name at least one owner"),
    ],
)
def test_owners_that_cannot_be_are_refused_where_they_stand(office, rows, said):
    before = OwnershipShare.objects.count()
    answer = browse_as(office.owner).post("/organisation/ownership", make_owner_fields(*rows, starts_on=office.today))

    assert (answer.status_code, said in read(answer)) == (422, True)
    assert OwnershipShare.objects.count() == before


def test_more_rows_keep_what_was_typed(office):
    rows = [("outside", "Typed", "77", "12")]
    answer = browse_as(office.owner).post(
        "/organisation/ownership", make_owner_fields(*rows, starts_on=office.today, more="1")
    )

    assert answer.content.decode().count('class="owner"') == 3
    assert 'value="Typed"' in answer.content.decode()


def test_the_desk_says_in_words_whether_two_are_related_and_why(office):
    page = office.list_paths()["operator"]["related"]
    assert "are not related, as far as declared" in read(browse_as(office.operator).get(page))
    half = DeclaredOwner(share_ppm=500_000, organisation_id=office.stranger.organisation_id)
    declare_ownership(actor=office.owner, owners=[half], starts_on=office.today, now=office.now)

    said = read(browse_as(office.operator).get(page))
    assert "are related parties" in said
    assert "directly or through others" in said
