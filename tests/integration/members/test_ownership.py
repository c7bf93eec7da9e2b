from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Role
from lilong.foundation.members.models import Membership
from lilong.foundation.members.public.ownership import are_related
from lilong.foundation.members.queries.ownership import check_related, list_ownership, load_related_rule
from lilong.foundation.members.services.memberships import add_member
from lilong.foundation.members.services.ownership import OWNERS_MAX, DeclaredOwner, OwnershipInvalid, declare_ownership
from lilong.foundation.record.models import Payload
from tests.people import NOW, found_operator, found_owner, join

TODAY = NOW.date()
pytestmark = pytest.mark.django_db(transaction=True)


def declare(actor, *owners, starts_on=TODAY):
    return declare_ownership(actor=actor, owners=owners, starts_on=starts_on, now=NOW)


def held_by(owner, percent):
    return DeclaredOwner(share_ppm=percent * 10_000, organisation_id=owner.organisation_id)


def outsider(percent, number="HRB 12-34", name="Holding"):
    return DeclaredOwner(share_ppm=percent * 10_000, name=name, registration_number=number)


def relation(first, second, *, day=TODAY):
    return are_related(first_id=first.organisation_id, second_id=second.organisation_id, day=day).relation


@pytest.mark.parametrize(("percent", "related"), [(25, True), (24, False)])
def test_the_threshold_of_the_published_rule_decides(percent, related):
    parent, child = found_owner(), found_owner()
    declare(child, held_by(parent, percent))

    assert (relation(parent, child) is not None) is related
    assert (relation(child, parent) is not None) is related
    assert load_related_rule().threshold_ppm == 250_000


def test_a_chain_through_others_counts():
    top, middle, bottom = found_owner(), found_owner(), found_owner()
    declare(middle, held_by(top, 50))
    declare(bottom, held_by(middle, 50))

    found = relation(top, bottom)
    assert found is not None
    assert (found.holder, found.second_ppm) == (top.organisation_id, 250_000)


def test_a_ring_ends():
    first, second = found_owner(), found_owner()
    declare(first, held_by(second, 30))
    declare(second, held_by(first, 30))

    assert relation(first, second) is not None


def test_one_holder_outside_of_the_hub_makes_its_organisations_related_however_its_number_is_written():
    first, second, third = found_owner(), found_owner(), found_owner()
    declare(first, outsider(30))
    declare(second, outsider(40, number="hrb1234", name="HOLDING Ltd"))
    declare(third, outsider(40, number="HRB 1235"))

    assert relation(first, second) is not None
    assert relation(first, third) is None


def test_an_owner_of_both_makes_them_related():
    first, second = found_owner(), found_owner()
    assert relation(first, second) is None
    add_member(actor=first, email="bo@example.org", name="Bo", role=Role.OWNER, now=NOW)
    add_member(actor=second, email="bo@example.org", name="Bo", role=Role.MEMBER, now=NOW)
    assert relation(first, second) is None

    person_id = Membership.objects.get(organisation_id=second.organisation_id, role="member").person_id
    declare(second, DeclaredOwner(share_ppm=250_000, person_id=person_id))
    found = relation(first, second)
    assert found is not None
    assert found.holder == person_id


def test_a_new_declaration_ends_the_old_one_on_its_day_and_the_past_stays_as_it_was():
    parent, child = found_owner(), found_owner()
    declare(child, held_by(parent, 60), starts_on=TODAY - timedelta(days=10))
    declare(child, outsider(100))

    assert relation(parent, child) is None
    assert relation(parent, child, day=TODAY - timedelta(days=1)) is not None
    assert relation(parent, child, day=TODAY - timedelta(days=11)) is None
    rows = list_ownership(actor=child, organisation_id=child.organisation_id, cursor=None, limit=10).items
    assert [(row.holder_kind, row.ends_on) for row in rows] == [("outside", None), ("organisation", TODAY)]


def test_a_declaration_can_be_corrected_on_the_same_day_but_not_before_it():
    child = found_owner()
    declare(child, outsider(100))
    declare(child, outsider(90))
    with pytest.raises(OwnershipInvalid):
        declare(child, outsider(80), starts_on=TODAY - timedelta(days=1))

    rows = list_ownership(actor=child, organisation_id=child.organisation_id, cursor=None, limit=10).items
    assert [row.share_ppm for row in rows if row.ends_on is None] == [900_000]


@pytest.mark.parametrize(
    ("owners", "path"),
    [
        ([], "owners"),
        ([outsider(60), outsider(41, number="2")], "owners"),
        ([outsider(0)], "owners.0.share_ppm"),
        ([outsider(10), outsider(10, number="hrb1234")], "owners.1"),
        ([DeclaredOwner(share_ppm=1, name="Only a name")], "owners.0"),
        ([DeclaredOwner(share_ppm=1, name="X", registration_number="--")], "owners.0.registration_number"),
        ([DeclaredOwner(share_ppm=1, organisation_id="per_1")], "owners.0.organisation_id"),
        ([DeclaredOwner(share_ppm=1, person_id="per_1")], "owners.0.person_id"),
        ([DeclaredOwner(share_ppm=1, person_id="per_1", organisation_id="org_1")], "owners.0"),
    ],
)
def test_what_does_not_fit_is_named_by_its_field_and_nothing_is_declared(owners, path):
    child = found_owner()
    with pytest.raises(OwnershipInvalid) as refused:
        declare(child, *owners)

    assert path in [problem.path for problem in refused.value.fields]
    assert not list_ownership(actor=child, organisation_id=child.organisation_id, cursor=None, limit=10).items


def test_an_organisation_does_not_own_itself_or_have_owners_without_end():
    child = found_owner()
    with pytest.raises(OwnershipInvalid):
        declare(child, held_by(child, 10))
    with pytest.raises(OwnershipInvalid):
        declare(child, *[outsider(0, number=str(number)) for number in range(OWNERS_MAX + 1)])
    with pytest.raises(OwnershipInvalid):
        declare(child, outsider(10), starts_on=TODAY + timedelta(days=2))


def test_naming_an_organisation_tells_nothing_of_whether_there_is_one():
    child, real = found_owner(), found_owner()
    there = declare(child, held_by(real, 10))
    nobody = declare(child, DeclaredOwner(share_ppm=100_000, organisation_id=new_id("org")))

    assert {(row.holder_kind, row.name, row.share_ppm) for row in (*there, *nobody)} == {("organisation", "", 100_000)}


def test_members_of_others_are_nobodys_owners_by_id():
    stranger = found_owner()
    with pytest.raises(OwnershipInvalid):
        declare(found_owner(), DeclaredOwner(share_ppm=1, person_id=stranger.person_id))


def test_only_who_manages_declares_and_only_ones_own_is_seen():
    owner, operator = found_owner(), found_operator()
    declare(join(owner, Role.ADMIN), outsider(10))
    with pytest.raises(NotAllowed):
        declare(join(owner, Role.BILLING), outsider(10))

    for actor in (operator, join(owner, Role.VIEWER)):
        assert list_ownership(actor=actor, organisation_id=owner.organisation_id, cursor=None, limit=10).items
    with pytest.raises(NotFound):
        list_ownership(actor=found_owner(), organisation_id=owner.organisation_id, cursor=None, limit=10)


def test_operators_ask_who_is_related_and_learn_by_which_rule():
    parent, child, operator = found_owner(), found_owner(), found_operator()
    declare(child, held_by(parent, 60))

    answer = check_related(actor=operator, first_id=parent.organisation_id, second_id=child.organisation_id, now=NOW)
    assert answer.relation is not None
    assert (answer.rule.name, answer.rule.version, len(answer.rule.sha256)) == ("related-parties", "1", 64)
    with pytest.raises(NotAllowed):
        check_related(actor=child, first_id=parent.organisation_id, second_id=child.organisation_id, now=NOW)
    with pytest.raises(NotFound):
        check_related(actor=operator, first_id=parent.organisation_id, second_id="org_0", now=NOW)


def test_the_record_has_shares_and_ids_and_no_names():
    child = found_owner()
    declare(child, outsider(10, name="Ada Lovelace"))

    said = Payload.objects.get(entry__kind="members.ownership_declared").content
    assert '"share_ppm":100000' in said
    assert "Ada" not in said
    assert "1234" not in said
