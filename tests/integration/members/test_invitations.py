import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from lilong.common.errors import Conflict, NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.foundation.members.core.invitations import GENERATIONS_MAX, INVITATIONS_A_DAY, LIFE
from lilong.foundation.members.events import InvitationMade
from lilong.foundation.members.models import Invitation, Membership, Person
from lilong.foundation.members.public import OrganisationKind
from lilong.foundation.members.public.invitations import (
    accept_invitation,
    find_invitation,
    list_open_sendings,
    reveal_invitation,
)
from lilong.foundation.members.public.people import Language, confirm_email, list_memberships, set_language
from lilong.foundation.members.queries.invitations import list_invitations
from lilong.foundation.members.services.invitations import (
    EmailDiffers,
    EmailUnverified,
    InvitationExpired,
    InvitationMissing,
    InvitationOpen,
    InvitationSentMeanwhile,
    InvitationSentOften,
    InvitationsFull,
    InvitationUnknown,
    InvitationUsed,
    InvitationWithdrawn,
    accept_invitation_by_token,
    invite_member,
    send_invitation_again,
    withdraw_invitation,
)
from lilong.foundation.members.services.memberships import MakerIsAlone, MemberAlready, add_member
from lilong.foundation.members.services.organisations import EmailTaken, insert_person
from lilong.foundation.members.services.tokens import exchange_token
from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.record.models import Payload
from tests.people import NOW, act, found_operator, found_organisation, found_owner, join

pytestmark = pytest.mark.django_db(transaction=True)


def make_person(email="bo@example.org", *, confirmed=True):
    person_id = insert_person(email=email, name="Bo", now=NOW).id
    if confirmed:
        confirm_email(person_id=person_id, email=email, now=NOW)
    return person_id


def invite(owner, email="Bo@example.org ", role=Role.MEMBER, now=NOW):
    return invite_member(actor=owner, email=email, role=role, now=now)


def test_who_is_invited_joins_with_the_role_once_signed_in():
    owner, person_id = found_owner(), make_person()
    made = invite(owner, role=Role.BILLING)

    joined = accept_invitation(person_id=person_id, secret=made.secret, now=NOW)

    assert (joined.organisation_id, joined.role) == (owner.organisation_id, Role.BILLING)
    assert [row.id for row in list_memberships(person_id=person_id)] == [joined.membership_id]
    said = Payload.objects.filter(entry__kind="members.role_changed", entry__subject_id=joined.membership_id)
    assert '"new":"billing"' in said.get().content


def test_the_secret_stands_nowhere_and_the_mail_can_still_tell_it():
    owner = found_owner()
    made = invite(owner)

    event = WaitingEvent.objects.get(name=InvitationMade.name).payload
    assert event == {"organisation_id": owner.organisation_id, "invitation_id": made.id, "generation": 1}
    assert made.secret not in str(list(Invitation.objects.values()))
    told = reveal_invitation(invitation_id=made.id, generation=1, now=NOW)
    assert told is not None
    assert (told.secret, told.invitation.email) == (made.secret, "bo@example.org")
    assert "bo@example.org" not in "".join(Payload.objects.values_list("content", flat=True))


def test_a_mail_that_comes_late_has_nothing_to_tell(settings):
    owner = found_owner()
    made = invite(owner)
    again = send_invitation_again(actor=owner, invitation_id=made.id, now=NOW)

    assert reveal_invitation(invitation_id=made.id, generation=1, now=NOW) is None
    told = reveal_invitation(invitation_id=made.id, generation=2, now=NOW)
    assert told is not None
    assert told.secret == again.secret
    assert reveal_invitation(invitation_id=made.id, generation=2, now=NOW + LIFE) is None
    settings.SECRET_KEY = "another key of the hub"
    assert reveal_invitation(invitation_id=made.id, generation=2, now=NOW) is None


def test_what_is_to_be_mailed_is_found_from_the_tables_alone():
    owner, person_id = found_owner(), make_person()
    made, other = invite(owner), invite(owner, email="al@example.org")
    send_invitation_again(actor=owner, invitation_id=made.id, now=NOW)
    assert list_open_sendings(now=NOW) == {made.id: 2, other.id: 1}

    withdraw_invitation(actor=owner, invitation_id=other.id, now=NOW)
    assert list_open_sendings(now=NOW) == {made.id: 2}
    assert list_open_sendings(now=NOW + LIFE) == {}
    told = reveal_invitation(invitation_id=made.id, generation=2, now=NOW)
    assert told is not None
    accept_invitation(person_id=person_id, secret=told.secret, now=NOW)
    assert list_open_sendings(now=NOW) == {}


def test_an_invitation_is_accepted_once():
    owner, person_id = found_owner(), make_person()
    made = invite(owner)
    accept_invitation(person_id=person_id, secret=made.secret, now=NOW)

    with pytest.raises(InvitationUsed):
        accept_invitation(person_id=person_id, secret=made.secret, now=NOW)
    with pytest.raises(InvitationUsed):
        withdraw_invitation(actor=owner, invitation_id=made.id, now=NOW)
    with pytest.raises(InvitationUsed):
        send_invitation_again(actor=owner, invitation_id=made.id, now=NOW)


def test_an_invitation_expires_and_can_be_sent_again():
    owner, person_id = found_owner(), make_person()
    made = invite(owner)
    late = NOW + LIFE
    with pytest.raises(InvitationExpired):
        accept_invitation(person_id=person_id, secret=made.secret, now=late)

    again = send_invitation_again(actor=owner, invitation_id=made.id, now=late)

    with pytest.raises(InvitationUnknown):
        accept_invitation(person_id=person_id, secret=made.secret, now=late)
    in_time = late + LIFE - timedelta(seconds=1)
    joined = accept_invitation(person_id=person_id, secret=again.secret, now=in_time)
    assert joined.organisation_id == owner.organisation_id


def test_a_withdrawn_invitation_does_not_work_and_the_address_may_be_invited_anew():
    owner, person_id = found_owner(), make_person()
    made = invite(owner)
    for _ in range(2):
        withdraw_invitation(actor=owner, invitation_id=made.id, now=NOW)

    with pytest.raises(InvitationWithdrawn):
        accept_invitation(person_id=person_id, secret=made.secret, now=NOW)
    with pytest.raises(InvitationWithdrawn):
        send_invitation_again(actor=owner, invitation_id=made.id, now=NOW)
    found = find_invitation(secret=made.secret, now=NOW)
    assert found is not None
    assert found.state == "withdrawn"
    joined = accept_invitation(person_id=person_id, secret=invite(owner).secret, now=NOW)
    assert joined.organisation_id == owner.organisation_id


def test_only_the_confirmed_address_that_was_invited_joins():
    owner = found_owner()
    made = invite(owner)
    with pytest.raises(EmailUnverified):
        accept_invitation(person_id=make_person(confirmed=False), secret=made.secret, now=NOW)
    with pytest.raises(EmailDiffers):
        accept_invitation(person_id=make_person("eve@example.org"), secret=made.secret, now=NOW)
    with pytest.raises(InvitationUnknown):
        accept_invitation(person_id=make_person("al@example.org"), secret="lilinv_x", now=NOW)
    with pytest.raises(NotAllowed):
        accept_invitation(person_id="per_0", secret=made.secret, now=NOW)
    assert Membership.objects.filter(organisation_id=owner.organisation_id).count() == 1


def test_an_address_is_confirmed_for_the_one_person_who_has_it():
    make_person()
    other = make_person("al@example.org")
    with pytest.raises(EmailTaken):
        confirm_email(person_id=other, email="BO@example.org", now=NOW)
    with pytest.raises(NotFound):
        confirm_email(person_id="per_0", email="new@example.org", now=NOW)

    confirm_email(person_id=other, email="New@example.org", now=NOW)
    assert Person.objects.get(id=other).email == "new@example.org"


def test_a_member_is_not_invited_and_an_invitation_to_a_member_says_so():
    owner, person_id = found_owner(), make_person()
    made = invite(owner)
    with pytest.raises(InvitationOpen) as refused:
        invite(owner)
    assert refused.value.facts == {"invitation_id": made.id}
    add_member(actor=owner, email="bo@example.org", name="Bo", role=Role.MEMBER, now=NOW)

    with pytest.raises(MemberAlready):
        accept_invitation(person_id=person_id, secret=made.secret, now=NOW)
    withdraw_invitation(actor=owner, invitation_id=made.id, now=NOW)
    with pytest.raises(MemberAlready):
        invite(owner)


@pytest.mark.parametrize(
    ("inviter", "role", "allowed"),
    [
        (Role.OWNER, Role.OWNER, True),
        (Role.OWNER, Role.OPERATOR, False),
        (Role.ADMIN, Role.OWNER, False),
        (Role.ADMIN, Role.ADMIN, False),
        (Role.ADMIN, Role.MEMBER, True),
        (Role.MEMBER, Role.VIEWER, False),
        (Role.BILLING, Role.VIEWER, False),
        (Role.VIEWER, Role.VIEWER, False),
    ],
)
def test_nobody_invites_to_a_higher_role(inviter, role, allowed):
    owner = found_owner()
    actor = owner if inviter is Role.OWNER else join(owner, inviter)
    if allowed:
        assert invite(actor, role=role).role is role
        return
    with pytest.raises(NotAllowed):
        invite(actor, role=role)


def test_an_admin_neither_sends_nor_withdraws_an_owners_invitation():
    owner = found_owner()
    admin, made = join(owner, Role.ADMIN), invite(owner, role=Role.OWNER)
    with pytest.raises(NotAllowed):
        send_invitation_again(actor=admin, invitation_id=made.id, now=NOW)
    with pytest.raises(NotAllowed):
        withdraw_invitation(actor=admin, invitation_id=made.id, now=NOW)


def test_another_organisation_neither_sees_nor_changes_an_invitation():
    owner, stranger = found_owner(), found_owner()
    made = invite(owner)
    for deed in (send_invitation_again, withdraw_invitation):
        with pytest.raises(InvitationMissing):
            deed(actor=stranger, invitation_id=made.id, now=NOW)

    listed = list_invitations(actor=owner, cursor=None, limit=10, now=NOW + LIFE).items
    assert [(row.id, row.state) for row in listed] == [(made.id, "expired")]
    assert not list_invitations(actor=stranger, cursor=None, limit=10, now=NOW).items
    assert not list_invitations(actor=found_operator(), cursor=None, limit=10, now=NOW).items
    with pytest.raises(NotAllowed):
        list_invitations(actor=join(owner, Role.MEMBER), cursor=None, limit=10, now=NOW)


def test_an_invitation_is_not_sent_for_ever():
    owner = found_owner()
    made = invite(owner)
    for _ in range(GENERATIONS_MAX - 1):
        send_invitation_again(actor=owner, invitation_id=made.id, now=NOW)
    with pytest.raises(InvitationSentOften):
        send_invitation_again(actor=owner, invitation_id=made.id, now=NOW)


def test_withdrawing_and_inviting_anew_writes_to_an_address_no_oftener():
    owner = found_owner()
    for _ in range(GENERATIONS_MAX):
        made = invite(owner)
        withdraw_invitation(actor=owner, invitation_id=made.id, now=NOW)

    with pytest.raises(InvitationSentOften):
        invite(owner)
    assert invite(found_owner()).email == "bo@example.org"
    assert invite(owner, now=NOW + LIFE).email == "bo@example.org"


def test_an_organisation_writes_to_so_many_strangers_a_day():
    owner = found_owner()
    for number in range(INVITATIONS_A_DAY):
        made = invite(owner, f"guest{number}@example.org")
        withdraw_invitation(actor=owner, invitation_id=made.id, now=NOW)

    with pytest.raises(InvitationsFull) as refused:
        invite(owner)
    assert refused.value.facts["resets_at"] == "2026-03-02T12:00:00.000000Z"
    assert invite(owner, now=NOW + timedelta(days=1)).email == "bo@example.org"


def test_a_form_that_is_sent_twice_sends_one_invitation_again():
    owner = found_owner()
    made = invite(owner)
    send_invitation_again(actor=owner, invitation_id=made.id, times_sent=1, now=NOW)

    with pytest.raises(InvitationSentMeanwhile):
        send_invitation_again(actor=owner, invitation_id=made.id, times_sent=1, now=NOW)
    assert list_open_sendings(now=NOW) == {made.id: 2}


def test_the_mail_speaks_the_language_chosen_or_the_inviters():
    owner = found_owner()
    set_language(actor=owner, language=Language.ZH_HANS)
    invite(owner)
    invite_member(actor=owner, email="al@example.org", role=Role.MEMBER, language=Language.EN, now=NOW)

    assert dict(Invitation.objects.values_list("email", "language")) == {
        "bo@example.org": "zh-hans",
        "al@example.org": "en",
    }


def test_a_maker_invites_nobody():
    maker = act(found_organisation(kind=OrganisationKind.MAKER).token.secret)
    with pytest.raises(MakerIsAlone):
        invite(maker)
    with pytest.raises(MakerIsAlone):
        add_member(actor=maker, email="bo@example.org", name="Bo", role=Role.MEMBER, now=NOW)


def test_who_accepts_by_a_token_gets_one_for_the_new_organisation():
    host, guest = found_owner(), found_owner()
    email = Person.objects.get(id=guest.person_id).email
    confirm_email(person_id=guest.person_id, email=email, now=NOW)

    joined = accept_invitation_by_token(actor=guest, secret=invite(host, email=email).secret, now=NOW)

    there = act(exchange_token(token=joined.one_time_token.secret, name="laptop", now=NOW).secret)
    assert (there.organisation_id, there.person_id, there.role) == (host.organisation_id, guest.person_id, Role.MEMBER)


def test_two_who_accept_at_once_become_one_member():
    owner, person_id = found_owner(), make_person()
    secret = invite(owner).secret
    start = threading.Barrier(2)

    def accept(_):
        try:
            start.wait()
            accept_invitation(person_id=person_id, secret=secret, now=NOW)
        except Conflict:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(accept, range(2))) == 1
    assert Membership.objects.filter(person_id=person_id).count() == 1
