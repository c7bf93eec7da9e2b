"""Who is told what, once, and only they."""

from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.errors import NotAllowed
from lilong.common.permissions import PUBLIC, Role
from lilong.foundation.members.public.people import Language, set_language
from lilong.foundation.notices.core.kinds import NoticeKindUnknown
from lilong.foundation.notices.models import Letter, Notice
from lilong.foundation.notices.public import list_posted, post_notice
from lilong.foundation.notices.queries.inbox import Shown, count_unread, get_preferences, list_letters
from lilong.foundation.notices.reactions import prune, reconcile
from lilong.foundation.notices.services.inbox import (
    MailWish,
    NoticeMissing,
    choose_mail,
    mark_all_read,
    mark_read,
)
from tests.people import NOW, found_operator, found_owner, join

pytestmark = pytest.mark.django_db


def post(organisation_id, *, subject_id="top_1", kind="ledger.top_up_posted", occasion="", person_ids=()):
    with transaction.atomic():
        post_notice(
            kind=kind,
            subject_id=subject_id,
            occasion=occasion,
            organisation_id=organisation_id,
            person_ids=person_ids,
            params={"amount_uc": 5_000_000, "reference": "bank 1"},
            now=NOW,
        )
    reconcile(now=NOW)


def read(actor, shown=Shown.ALL):
    return list_letters(actor=actor, shown=shown, cursor=None, limit=50).items


def test_the_roles_of_the_kind_are_told_and_nobody_else():
    owner, stranger = found_owner(), found_owner()
    billing, member = join(owner, Role.BILLING), join(owner, Role.MEMBER)
    post(owner.organisation_id)

    assert [len(read(actor)) for actor in (owner, billing, member, stranger, PUBLIC)] == [1, 1, 0, 0, 0]
    assert read(owner)[0].text == "5.00 credits of the payment bank 1 are in your wallet."


def test_what_is_posted_again_is_told_once_and_another_occasion_again():
    owner = found_owner()
    for _ in range(3):
        post(owner.organisation_id)
    post(owner.organisation_id, occasion="again")
    post(owner.organisation_id, person_ids=[owner.person_id])

    assert len(read(owner)) == 2
    assert list_posted(kind="ledger.top_up_posted", subject_ids=["top_1", "top_2"]) == {
        ("top_1", ""),
        ("top_1", "again"),
    }


def test_a_person_who_is_named_is_told_whatever_the_role_but_only_as_a_member():
    owner, stranger = found_owner(), found_owner()
    viewer = join(owner, Role.VIEWER)
    post(owner.organisation_id, person_ids=[viewer.person_id, stranger.person_id])

    assert [len(read(actor)) for actor in (owner, viewer, stranger)] == [0, 1, 0]


def test_the_hub_tells_its_operators():
    operator, owner = found_operator(), found_owner()
    post("", kind="cases.overdue")

    assert [len(read(actor)) for actor in (operator, owner)] == [1, 0]


def test_a_notice_is_read_in_the_language_of_the_reader():
    owner = found_owner()
    post(owner.organisation_id)
    set_language(actor=owner, language=Language.ZH_HANS)

    assert read(owner)[0].title == "充值已到账"
    assert get_preferences(actor=owner).language is Language.ZH_HANS


def test_reading_is_noted_for_oneself_alone():
    owner = found_owner()
    billing = join(owner, Role.BILLING)
    post(owner.organisation_id)
    post(owner.organisation_id, subject_id="top_2")
    (second, first) = read(owner)

    mark_read(actor=owner, letter_id=first.id, now=NOW)
    with pytest.raises(NoticeMissing):
        mark_read(actor=billing, letter_id=second.id, now=NOW)
    assert [letter.id for letter in read(owner, Shown.UNREAD)] == [second.id]
    assert (count_unread(actor=owner), count_unread(actor=billing)) == (1, 2)
    assert mark_all_read(actor=owner, now=NOW) == 1
    assert count_unread(actor=owner) == 0


def test_a_notice_of_no_known_kind_cannot_be_posted():
    with pytest.raises(NoticeKindUnknown):
        post("org_1", kind="no.such")


def test_mail_is_chosen_kind_by_kind():
    owner = found_owner()
    choose_mail(actor=owner, kind="runs.run_failed", wanted=MailWish.NO)
    choose_mail(actor=owner, kind="supermarket.order_settled", wanted=MailWish.YES)
    choose_mail(actor=owner, kind="runs.run_failed", wanted=MailWish.NO)

    by_mail = {kind.kind: kind.by_mail for kind in get_preferences(actor=owner).kinds}
    assert not by_mail["runs.run_failed"]
    assert by_mail["supermarket.order_settled"]
    assert by_mail["ledger.top_up_posted"]
    with pytest.raises(NoticeMissing):
        choose_mail(actor=owner, kind="no.such", wanted=MailWish.NO)
    with pytest.raises(NotAllowed):
        choose_mail(actor=PUBLIC, kind="runs.run_failed", wanted=MailWish.NO)


def test_a_page_of_notices_costs_two_queries(django_assert_num_queries):
    owner = found_owner()
    for number in range(5):
        post(owner.organisation_id, subject_id=f"top_{number}")

    with django_assert_num_queries(2):
        assert len(read(owner)) == 5


def test_what_was_told_half_a_year_ago_is_deleted():
    owner = found_owner()
    post(owner.organisation_id)
    assert prune(now=NOW + timedelta(days=179)) == 0
    prune(now=NOW + timedelta(days=181))
    prune(now=NOW + timedelta(days=181))

    assert (Letter.objects.count(), Notice.objects.count()) == (0, 0)
