"""The next version of a rule: handed in with cases that pass, approved by somebody else, then in force."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.record.models import Entry
from lilong.platforms.funding.core.packs import RuleCase, read_pack
from lilong.platforms.funding.core.rules import VoucherRuleInvalid
from lilong.platforms.funding.models import RuleProposal, RuleVersion
from lilong.platforms.funding.public import list_programmes
from lilong.platforms.funding.public.orders import list_usable
from lilong.platforms.funding.reactions import on_case_decided, reconcile
from lilong.platforms.funding.services.publishing import PackRefused, VersionTaken, propose_rule
from lilong.platforms.funding.services.vouchers import issue_voucher
from tests.crowd import call_at_once
from tests.desks import browse_as
from tests.people import NOW, found_operator, found_owner
from tests.programmes import CREDIT, RULE, approve, hand_in_version, make_programme, publish, refuse, write_pack

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + timedelta(days=3)
NEXT = replace(RULE, rate_ppm=200_000)
WRONG = RuleCase("half", at=NOW, since=NOW.date(), available_uc=CREDIT, rate_ppm=500_000, cap_uc=CREDIT)
PAGE = "/desk/programmes/rules"


def hand_in(programme, *, pack=None, valid_from=LATER, actor=None, now=NOW):
    return propose_rule(
        actor=actor or found_operator(),
        programme_id=programme.id,
        pack=pack or write_pack(NEXT, version=2),
        valid_from=valid_from,
        now=now,
    )


def version_at(moment):
    (view,) = list_programmes(actor=found_operator(), cursor=None, limit=5, now=moment).items
    return view.rule_version


def test_an_approved_version_is_in_force_from_its_moment_on_and_frozen_and_recorded_by_hash():
    programme, operator = make_programme(fund_uc=9 * CREDIT), found_operator()
    case_id = hand_in(programme, actor=operator)
    with pytest.raises(NotAllowed):
        decide_case(actor=operator, case_id=case_id, decision=Decision.APPROVE, reason="mine", now=NOW)
    reconcile(now=NOW)
    assert RuleVersion.objects.count() == 1

    approve(case_id, approvals=1)
    proposal = RuleProposal.objects.get()
    for _ in range(2):
        event = {"case_id": case_id, "kind": "funding.publish_rule", "subject_id": proposal.id}
        on_case_decided(event, now=NOW)
        reconcile(now=NOW)
    assert [version_at(NOW), version_at(LATER - timedelta(microseconds=1)), version_at(LATER)] == [1, 1, 2]
    version = RuleVersion.objects.get(version=2)
    assert (version.rule, version.sha256, version.valid_from) == (NEXT, NEXT.sha256, LATER)
    recorded = [json.loads(each.payload.content) for each in Entry.objects.filter(kind="funding.programme_rules")]
    assert [each["pack_sha256"] for each in recorded if each["version"] == 2] == [proposal.pack_sha256]


def test_what_is_issued_and_quoted_before_keeps_its_version_and_what_comes_later_has_the_next():
    programme, owner, operator = make_programme(fund_uc=9 * CREDIT), found_owner(), found_operator()
    approve(hand_in(programme), approvals=1)
    reconcile(now=NOW)

    for now in (NOW, LATER):
        issue_voucher(
            actor=operator, programme_id=programme.id, organisation_id=owner.organisation_id, amount_uc=CREDIT, now=now
        )
    (chosen,) = list_usable(organisation_id=owner.organisation_id, offers=(), now=LATER).usable
    assert (chosen.voucher.rule_version, chosen.share.rate_ppm) == (1, RULE.rate_ppm)
    issued = programme.vouchers.select_related("rule").order_by("id")
    assert [each.rule.rule for each in issued] == [RULE, NEXT]


def test_a_version_that_is_approved_late_is_in_force_from_its_approval_on():
    programme = make_programme()
    case_id = hand_in(programme)
    late = LATER + timedelta(days=2)
    approve(case_id, approvals=1, now=late)
    reconcile(now=late)

    assert RuleVersion.objects.get(version=2).valid_from == late
    assert version_at(LATER) == 1


def test_a_refused_version_is_never_in_force_and_its_number_stays_its_own():
    programme = make_programme()
    refuse(hand_in(programme))
    reconcile(now=NOW)
    assert version_at(LATER) == 1

    with pytest.raises(VersionTaken):
        hand_in(programme, pack=write_pack(replace(NEXT, rate_ppm=5), version=2))
    hand_in(programme, pack=write_pack(NEXT, version=3))
    assert RuleProposal.objects.filter(state="open").get().version == 3


def test_the_same_bytes_are_the_same_proposal_and_other_bytes_of_the_same_number_are_refused():
    programme = make_programme()
    first = hand_in(programme)

    assert hand_in(programme) == first
    with pytest.raises(VersionTaken):
        hand_in(programme, pack=write_pack(NEXT, version=2) + "# one comment more\n")
    with pytest.raises(VersionTaken):
        hand_in(programme, pack=write_pack(NEXT, version=3))
    assert Case.objects.filter(kind="funding.publish_rule").count() == 1


def test_many_who_hand_in_at_once_make_one_proposal():
    programme = make_programme()
    operators = [found_operator() for _ in range(4)]
    packs = [write_pack(replace(NEXT, cap_uc=1 + number), version=2) for number in range(4)]
    answers = call_at_once(
        lambda pair: hand_in(programme, actor=pair[0], pack=pair[1]), list(zip(operators, packs, strict=True))
    )

    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert RuleProposal.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "path", "why"),
    [
        ({"pack": write_pack(NEXT, version=2, cases=[WRONG])}, "pack", "Its own case fails: half"),
        ({"pack": write_pack(NEXT, version=2, cases=[])}, "pack", "It has no cases."),
        ({"pack": write_pack(NEXT, version=None)}, "pack", "Write version = 2."),
        ({"valid_from": NOW - timedelta(microseconds=1)}, "valid_from", "It cannot be in force before"),
    ],
)
def test_a_pack_that_cannot_be_published_says_why(change, path, why):
    programme = make_programme()
    with pytest.raises(PackRefused) as raised:
        hand_in(programme, **change)

    (problem,) = raised.value.fields
    assert problem.path == path
    assert why in problem.message
    assert not RuleProposal.objects.exists()


def test_no_version_is_in_force_before_the_one_that_came_first():
    programme = make_programme()
    approve(hand_in(programme), approvals=1)
    reconcile(now=NOW)

    with pytest.raises(PackRefused):
        hand_in(programme, pack=write_pack(NEXT, version=3), valid_from=LATER - timedelta(seconds=1))
    hand_in(programme, pack=write_pack(NEXT, version=3), valid_from=LATER)


def test_only_operators_hand_in_and_only_for_a_programme_that_is_there():
    programme = make_programme()
    with pytest.raises(NotAllowed):
        hand_in(programme, actor=found_owner())
    programme.id = "prg_none"
    with pytest.raises(NotFound):
        hand_in(programme)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("version = 0\n", "version"),
        ("cases = [{ name = 'x', since = 2026-01-01 }]\n", "cases.0.at"),
        ("cases = [{ name = 'x', at = 2026-03-01T00:00:00Z, since = 2026-01-01, zone = 'Mars/Base' }]\n", "cases.0"),
        ("cases = [{ name = 'x', at = 2026-03-01T00:00:00, since = 2026-01-01 }]\n", "cases.0"),
        ("cases = [{ name = 'x', at = 2026-03-01T00:00:00Z, since = 2026-01-01, rate = 1 }]\n", "cases.0.rate"),
    ],
)
def test_each_part_of_a_pack_that_is_wrong_is_named(text, path):
    with pytest.raises(VoucherRuleInvalid) as raised:
        read_pack(text=f"{text}rate_ppm = 1\ncap_uc = 1\nexpires_in_days = 1\n")

    assert [problem.path for problem in raised.value.fields] == [path]


def test_a_version_is_handed_in_by_page_and_read_by_whoever_approves(django_assert_max_num_queries):
    programme = make_programme()
    browser = browse_as(found_operator())
    form = {
        "programme": programme.id,
        "text": write_pack(NEXT, version=2, cases=[WRONG]),
        "valid_from": "2999-01-01T00:00",
    }
    refused = browser.post(PAGE, form, page=PAGE)
    assert refused.status_code == 422
    assert "Its own case fails: half" in refused.content.decode()

    pack = write_pack(NEXT, version=2)
    answer = browser.post(PAGE, form | {"text": pack.replace("\n", "\r\n")}, page=PAGE)
    proposal = RuleProposal.objects.get()
    assert answer["Location"] == f"/desk/cases/{proposal.case_id}"
    assert proposal.pack == pack
    assert f'href="{PAGE}/{proposal.id}"' in browser.get(f"/desk/cases/{proposal.case_id}").content.decode()
    for page, said in ((PAGE, "Waits for approval"), (f"{PAGE}/{proposal.id}", "anybody")):
        with django_assert_max_num_queries(12):
            assert said in browser.get(page).content.decode()


def test_a_version_that_waits_is_tried_on_past_orders_with_its_cases_and_can_be_handed_in_from_there():
    proposal_id = hand_in_version(make_programme())
    programme, browser = make_programme(name="Other"), browse_as(found_operator())
    page = f"/desk/programmes/replay?proposal={proposal_id}"
    assert "expires_in_days" in browser.get(page).content.decode()

    form = {
        "text": write_pack(NEXT, version=2),
        "programme": programme.id,
        "begins_on": "2026-01-01",
        "ends_on": "2026-04-01",
    }
    said = browser.post("/desk/programmes/replay", form, page=page).content.decode()
    assert "anybody" in said
    assert f'action="{PAGE}"' in said


def test_a_version_published_for_tests_is_in_force_at_once():
    programme = make_programme()
    publish(programme, NEXT)

    assert version_at(NOW) == 2
