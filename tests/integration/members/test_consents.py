"""Consents: off by default, dated, taken back at any time, and obeyed by the front page and the operators' export."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.core.consent import RoundState
from lilong.foundation.members.models import Consent
from lilong.foundation.members.public.consents import list_named_organisations
from lilong.foundation.members.queries.consents import (
    list_consents,
    list_outcomes,
    list_rounds,
    load_consent_terms,
    load_outcome_rule,
)
from lilong.foundation.members.queries.people import gather_person
from lilong.foundation.members.services.consents import (
    ConsentInvalid,
    ConsentOutdated,
    OutcomesNotAsked,
    answer_outcomes,
    export_outcomes,
    set_consents,
)
from lilong.foundation.members.services.organisations import suspend_organisation
from lilong.foundation.record.models import Payload
from tests.desks import browse_as
from tests.people import NOW, found_operator, found_owner, join
from tests.sign_ins import Browser

pytestmark = pytest.mark.django_db(transaction=True)
HALF_A_YEAR, OPEN_DAYS = timedelta(days=183), timedelta(days=90)


def agree(owner, *uses, version="1", now=NOW):
    set_consents(actor=owner, version=version, uses=uses, now=now)


def answer(owner, *, now=NOW + HALF_A_YEAR, round_code="half_year", **answers):
    answer_outcomes(actor=owner, round_code=round_code, answers=answers, now=now)


def export(*, now=NOW):
    return export_outcomes(actor=found_operator(), now=now)


def test_nothing_is_agreed_to_until_somebody_says_so():
    owner = found_owner()

    assert list_consents(actor=owner) == []
    assert owner.organisation_id not in str(list_named_organisations(limit=100))
    assert all(each.state is RoundState.COMING for each in list_rounds(actor=owner, now=NOW))


def test_a_yes_is_dated_and_taken_back_and_both_stay_known():
    owner = found_owner()
    agree(owner, "named_in_public", "usage_statistics")
    agree(owner, "named_in_public", "usage_statistics", now=NOW + timedelta(days=1))
    agree(owner, "usage_statistics", now=NOW + timedelta(days=2))

    said = {each.use: (each.given_at, each.withdrawn_at) for each in list_consents(actor=owner)}
    assert said == {"named_in_public": (NOW, NOW + timedelta(days=2)), "usage_statistics": (NOW, None)}
    deeds = [
        content
        for content in Payload.objects.filter(entry__kind="members.consent_changed").values_list("content", flat=True)
        if "named_in_public" in content
    ]
    assert len(deeds) == 2


def test_only_who_manages_an_organisation_answers_and_nobody_what_is_not_asked():
    owner = found_owner()
    for role in (Role.MEMBER, Role.VIEWER, Role.BILLING):
        with pytest.raises(NotAllowed):
            agree(join(owner, role), "named_in_public")
    with pytest.raises(ConsentInvalid):
        agree(owner, "everything")
    assert not Consent.objects.filter(organisation_id=owner.organisation_id).exists()


def test_the_front_page_names_those_who_agreed_and_no_longer_who_took_it_back():
    owner, other = found_owner(now=utc_now()), found_owner(now=utc_now())
    agree(owner, "named_in_public")
    page = Browser().get("/").content.decode()
    own, foreign = (browse_as(each).get("/account/").content.decode() for each in (owner, other))
    (name,) = list_named_organisations(limit=10)
    assert (name in page, name in own, name in foreign) == (True, True, False)

    agree(owner)
    assert name not in Browser().get("/").content.decode()
    agree(owner, "named_in_public")
    suspend_organisation(actor=found_operator(), organisation_id=owner.organisation_id, reason="x", now=NOW)
    assert name not in Browser().get("/").content.decode()


def test_a_yes_to_an_old_text_is_no_yes_to_the_new_one():
    owner = found_owner()
    agree(owner, "named_in_public")
    with transaction.atomic():
        Consent.objects.update(version="0")

    assert list_named_organisations(limit=10) == []
    agree(owner, "named_in_public", now=NOW + timedelta(days=1))
    assert [each.version for each in list_consents(actor=owner)] == [load_consent_terms().version, "0"]
    assert len(list_named_organisations(limit=10)) == 1


def test_a_yes_holds_for_the_text_that_was_read_or_not_at_all():
    owner = found_owner(now=utc_now())
    with pytest.raises(ConsentOutdated):
        agree(owner, "named_in_public", version="0")
    browser = browse_as(owner)
    assert 'name="version" value="1"' in browser.get("/organisation/consents").content.decode()
    late = browser.post("/organisation/consents", {"named_in_public": "on", "version": "0"})

    assert (late.status_code, "These texts are no longer in force" in late.content.decode()) == (409, True)
    assert list_consents(actor=owner) == []


def test_questions_are_answered_while_their_round_is_open_and_only_by_who_agreed():
    owner = found_owner()
    with pytest.raises(OutcomesNotAsked):
        answer(owner, people_employed=3)
    agree(owner, "outcome_questions")
    for late in (timedelta(days=182), HALF_A_YEAR + OPEN_DAYS):
        with pytest.raises(OutcomesNotAsked):
            answer(owner, people_employed=3, now=NOW + late)
    with pytest.raises(NotFound):
        answer(owner, round_code="decade", people_employed=3)

    answer(owner, people_employed=3, money_raised=None)
    answer(owner, people_employed=4, products_launched=0, now=NOW + HALF_A_YEAR + timedelta(days=1))
    said = {each.question: (each.number, each.answered_at) for each in list_outcomes(actor=owner)}
    later = NOW + HALF_A_YEAR + timedelta(days=1)
    assert said == {"people_employed": (4, later), "products_launched": (0, later)}
    answer(owner, people_employed=None)
    assert [each.question for each in list_outcomes(actor=owner)] == ["products_launched"]


@pytest.mark.parametrize("wrong", [{"people_employed": -1}, {"people_employed": 10**12 + 1}, {"happiness": 3}])
def test_answers_that_cannot_be_are_refused(wrong):
    owner = found_owner()
    agree(owner, "outcome_questions")
    with pytest.raises(ConsentInvalid):
        answer(owner, **wrong)


def test_operators_export_the_answers_of_those_who_agree_today():
    owner, quiet = found_owner(), found_owner()
    for each in (owner, quiet):
        agree(each, "outcome_questions")
        answer(each, people_employed=7)
    agree(quiet)
    with pytest.raises(NotAllowed):
        export_outcomes(actor=owner, now=NOW)

    (row,) = export()
    assert (row.organisation_id, row.organisation_kind, row.number) == (owner.organisation_id, "resident", 7)
    assert Payload.objects.filter(entry__kind="members.outcomes_exported").count() == 1


def test_the_export_of_a_person_names_what_the_person_agreed_to():
    owner = found_owner()
    agree(owner, "outcome_questions")
    answer(owner, people_employed=7)

    tables = {mention.table for mention in gather_person(person_id=owner.person_id, now=NOW).mentions}
    assert {"members_consent", "members_outcomeanswer"} <= tables


def test_rounds_and_questions_have_words_in_both_languages():
    rule, terms = load_outcome_rule(), load_consent_terms()
    wordings = [
        *(each.title for each in rule.rounds.values()),
        *rule.questions.values(),
        *(use.title for use in terms.uses.values()),
        *(use.text for use in terms.uses.values()),
    ]
    assert all(each.en.isascii() and not each.zh.isascii() for each in wordings)


def test_the_pages_take_consents_and_answers_and_give_them_back():
    owner = found_owner(now=utc_now() - timedelta(days=200))
    browser = browse_as(owner)
    assert "checked" not in browser.get("/organisation/consents").content.decode()
    browser.post("/organisation/consents", {"outcome_questions": "on", "version": "1", "save": "1"})
    assert browser.get("/organisation/consents").content.decode().count(" checked") == 1
    assert browser.post("/organisation/outcomes/half_year", {"people_employed": "many"}).status_code == 422
    assert browser.post("/organisation/outcomes/half_year", {"people_employed": "12"}).status_code == 302
    own = browser.get("/organisation/consents/export").json()
    assert (own["consents"][0]["use"], own["outcomes"][0]["number"]) == ("outcome_questions", 12)

    sent = browse_as(found_operator(now=utc_now())).post("/desk/outcomes", {}, page="/desk/organisations")
    (row,) = csv.DictReader(io.StringIO(b"".join(sent.streaming_content).decode()))
    assert (row["organisation_id"], row["question"], row["number"]) == (owner.organisation_id, "people_employed", "12")
    assert browser.post("/desk/outcomes", {}, page="/organisation/consents").status_code == 403
    browser.post("/organisation/consents", {"version": "1", "save": "1"})
    assert list_consents(actor=owner)[0].withdrawn_at is not None
