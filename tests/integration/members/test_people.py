import json
from dataclasses import asdict

import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client
from allauth.idp.oidc.models import Token as Grant
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db.models import QuerySet

from lilong.common.errors import NotAllowed, NotFound, NotSignedIn
from lilong.common.permissions import Role
from lilong.foundation.cases.reactions import reconcile
from lilong.foundation.members.events import PersonErased
from lilong.foundation.members.models import FactorLoss, Membership, Organisation, Person, Token
from lilong.foundation.members.public import OrganisationKind
from lilong.foundation.members.public.invitations import accept_invitation
from lilong.foundation.members.public.people import (
    confirm_email,
    erase_person,
    export_person,
    found_organisation,
    list_memberships,
)
from lilong.foundation.members.queries.people import list_id_columns
from lilong.foundation.members.services.invitations import invite_member
from lilong.foundation.members.services.memberships import LastHead, add_member
from lilong.foundation.members.services.organisations import found_organisation_with_token
from lilong.foundation.members.services.people import erase_person_on_request, export_person_on_request
from lilong.foundation.members.services.tokens import exchange_token
from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.record.models import Entry
from lilong.platforms.supermarket.models import Order
from tests.market import ask, found_buyer, open_stall
from tests.people import NOW, act, found_operator, found_owner, join

EMAIL = "bo.lin@example.org"
pytestmark = pytest.mark.django_db(transaction=True)


def add_bo(owner, *, role=Role.MEMBER):
    """Return Bo's token in the owner's organisation."""
    once = add_member(actor=owner, email=EMAIL, name="Bo Lin", role=role, now=NOW).one_time_token
    return exchange_token(token=once.secret, name="Bo's laptop", now=NOW).secret


def read_texts():
    """Return all that stands in the tables, as text."""
    return json.dumps([list(QuerySet(model).values()) for model in apps.get_models()], default=str)


def test_an_export_has_everything_and_no_secret():
    first, second = found_owner(), found_owner()
    token = add_bo(first, role=Role.ADMIN)
    bo = act(token)
    add_bo(second, role=Role.VIEWER)
    invite_member(actor=found_owner(), email=EMAIL, role=Role.MEMBER, now=NOW)
    invited = invite_member(actor=bo, email="guest@example.org", role=Role.MEMBER, now=NOW)

    export = export_person(person_id=bo.person_id, now=NOW)

    assert (export.profile.email, export.profile.name) == (EMAIL, "Bo Lin")
    assert {row.organisation_id for row in export.memberships} == {first.organisation_id, second.organisation_id}
    assert "Bo's laptop" in {row.name for row in export.tokens}
    assert len(export.invitations) == 1
    assert [(row.id, row.columns) for row in export.mentions] == [(invited.id, ["invited_by"])]
    told = json.dumps(asdict(export), default=str)
    assert not [digest for digest in Token.objects.values_list("digest", flat=True) if digest in told]
    assert token not in told
    assert export.tables_cut == []


def test_an_export_finds_the_person_in_later_rooms_too_and_tells_nothing_of_the_organisation():
    open_stall()
    buyer = found_buyer()
    ask(buyer)

    (mention,) = [
        row for row in export_person(person_id=buyer.person_id, now=NOW).mentions if row.table == "supermarket_order"
    ]
    assert (mention.id, mention.columns) == (Order.objects.get().id, ["person_id"])
    assert mention.times.keys() <= {"created_at", "expires_at", "placed_at", "closed_at", "ended_at", "changed_at"}


def test_every_table_that_names_people_is_searched():
    columns = {model._meta.db_table: set(list_id_columns(model=model)) for model in apps.get_models()}

    assert "person_id" in columns["cases_caseopinion"]
    assert "opened_by" in columns["cases_case"]
    assert {"given_by", "verified_by"} <= columns["members_evidence"]
    assert {"holder", "declared_by"} <= columns["members_ownershipshare"]


def test_every_table_that_belongs_to_a_person_is_known_to_the_erasure():
    """A table that points to Person may hold a copy of the address, or let the erased person sign in again.

    A client of the device grant has no owner.
    """
    owners = {relation.related_model for relation in Person._meta.related_objects}

    signs_in_by = {EmailAddress, Authenticator, UserSession, SocialAccount, Grant}
    assert owners == {Membership, Client, FactorLoss} | signs_in_by, (
        "erase_person has to empty it for the person, and this test to know it"
    )


def test_an_erased_person_leaves_an_id_and_nothing_else():
    first, second = found_owner(), found_owner()
    token = add_bo(first)
    bo = act(token)
    confirm_email(person_id=bo.person_id, email=EMAIL, now=NOW)
    invite_member(actor=second, email=EMAIL, role=Role.MEMBER, now=NOW)
    password = Person.objects.get(id=bo.person_id).password

    for _ in range(2):
        erase_person(person_id=bo.person_id, now=NOW)

    texts = read_texts()
    assert bo.person_id in texts
    assert not [word for word in ("bo.lin", "Bo Lin", "Bo's laptop") if word in texts]
    with pytest.raises(NotSignedIn):
        act(token)
    assert list_memberships(person_id=bo.person_id) == []
    assert Person.objects.get(id=bo.person_id).password != password
    assert WaitingEvent.objects.filter(name=PersonErased.name).count() == 1
    assert Entry.objects.filter(kind="members.person_erased", subject_id=bo.person_id).count() == 1


def test_who_was_erased_does_not_come_back_but_the_address_can():
    owner = found_owner()
    bo = act(add_bo(owner))
    erase_person(person_id=bo.person_id, now=NOW)
    invited = invite_member(actor=owner, email=EMAIL, role=Role.MEMBER, now=NOW)

    with pytest.raises(NotFound):
        confirm_email(person_id=bo.person_id, email=EMAIL, now=NOW)
    with pytest.raises(NotAllowed):
        accept_invitation(person_id=bo.person_id, secret=invited.secret, now=NOW)
    with pytest.raises(NotFound):
        found_organisation(person_id=bo.person_id, name="", kind=OrganisationKind.MAKER, now=NOW)
    assert act(add_bo(owner)).person_id != bo.person_id


def test_the_last_owner_hands_over_before_being_erased_and_nothing_changes_until_then():
    owner = found_owner()
    bo = act(add_bo(owner))
    other = found_owner()
    add_bo(other, role=Role.OWNER)
    with pytest.raises(LastHead) as refused:
        erase_person(person_id=owner.person_id, now=NOW)
    assert refused.value.facts == {"organisation_id": owner.organisation_id}
    assert Membership.objects.filter(person_id=owner.person_id, left_at=None).count() == 1

    erase_person(person_id=bo.person_id, now=NOW)
    join(owner, Role.OWNER)
    erase_person(person_id=owner.person_id, now=NOW)
    assert not Membership.objects.filter(person_id=owner.person_id, left_at=None).exists()


def test_a_maker_goes_with_its_person():
    owner = found_owner()
    bo = act(add_bo(owner))
    made = found_organisation_with_token(person_id=bo.person_id, name="", kind=OrganisationKind.MAKER, now=NOW)
    reconcile(NOW)
    assert Organisation.objects.get(id=made.organisation_id).state == "admitted"
    erase_person(person_id=bo.person_id, now=NOW)

    row = Organisation.objects.get(id=made.organisation_id)
    assert (row.state, row.name) == ("suspended", "erased")
    assert "Bo Lin" not in read_texts()
    with pytest.raises(NotSignedIn):
        act(made.token.secret)


def test_operators_do_it_on_request_and_nobody_else_and_the_record_says_who():
    owner, operator = found_owner(), found_operator()
    bo = act(add_bo(owner))
    for actor in (owner, bo):
        with pytest.raises(NotAllowed):
            export_person_on_request(actor=actor, person_id=bo.person_id, now=NOW)
        with pytest.raises(NotAllowed):
            erase_person_on_request(actor=actor, person_id=bo.person_id, reason="x", now=NOW)

    assert export_person_on_request(actor=operator, person_id=bo.person_id, now=NOW).profile.email == EMAIL
    erase_person_on_request(actor=operator, person_id=bo.person_id, reason="Asked for by letter.", now=NOW)
    said = Entry.objects.filter(subject_id=bo.person_id).order_by("id").values_list("kind", "payload__content")
    assert [kind for kind, _ in said] == ["members.person_exported", "members.person_erased"]
    assert all(operator.person_id in content for _, content in said)


def test_a_person_who_is_not_there_is_not_found():
    for deed in (export_person, erase_person):
        with pytest.raises(NotFound):
            deed(person_id="per_0", now=NOW)
