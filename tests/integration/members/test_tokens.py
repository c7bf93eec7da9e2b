from datetime import timedelta

import pytest
from django.db import connection

from lilong.common.errors import NotAllowed, NotFound, NotSignedIn
from lilong.common.permissions import Role, Scope
from lilong.foundation.members.core.tokens import LIFE_MAX_S
from lilong.foundation.members.models import Token
from lilong.foundation.members.queries import list_tokens
from lilong.foundation.members.services.tokens import (
    TOKENS_MAX,
    LifeInvalid,
    TokensFull,
    authenticate,
    create_token,
    revoke_token,
)
from tests.people import NOW, act, found_organisation, found_owner, join

pytestmark = pytest.mark.django_db(transaction=True)


def make(actor, *scopes, life_s=3600):
    return create_token(actor=actor, name="ci", scopes=scopes or [Scope.READ], expires_in_s=life_s, now=NOW)


def test_only_the_digest_of_a_token_is_stored():
    made = make(found_owner())
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM members_token")
        rows = str(cursor.fetchall())

    assert made.secret.startswith("lil_")
    assert made.secret not in rows
    assert made.token_id in rows


def test_a_token_has_the_scopes_that_were_asked_for_and_never_more_than_its_maker():
    reader = act(make(found_owner(), Scope.READ, Scope.MANAGE).secret)
    assert reader.scopes == {Scope.READ, Scope.MANAGE}

    with pytest.raises(NotAllowed):
        make(reader, Scope.PAY)
    with pytest.raises(NotAllowed):
        make(act(make(reader, Scope.READ).secret), Scope.READ)


def test_a_token_ends_at_its_time():
    made = make(found_owner(), life_s=60)

    authenticate(token=made.secret, now=NOW + timedelta(seconds=59))
    with pytest.raises(NotSignedIn):
        authenticate(token=made.secret, now=NOW + timedelta(seconds=60))


@pytest.mark.parametrize("token", ["", "lil_", "lil_unknown", "ghp_x", "lilonce_x", "lil_" + "x" * 500])
def test_what_is_no_token_signs_nobody_in(token):
    with pytest.raises(NotSignedIn):
        act(token)


@pytest.mark.parametrize("life_s", [0, 59, LIFE_MAX_S + 1])
def test_a_life_that_is_too_short_or_long_is_refused(life_s):
    with pytest.raises(LifeInvalid):
        make(found_owner(), life_s=life_s)


def test_everybody_revokes_their_own_tokens_and_managers_all_of_the_organisation():
    owner = found_owner()
    member, other = join(owner, Role.MEMBER), join(owner, Role.VIEWER)
    made = make(member)

    with pytest.raises(NotFound):
        revoke_token(actor=other, token_id=made.token_id, now=NOW)
    with pytest.raises(NotFound):
        revoke_token(actor=found_owner(), token_id=made.token_id, now=NOW)
    for actor in (member, owner):
        revoke_token(actor=actor, token_id=made.token_id, now=NOW)
    with pytest.raises(NotSignedIn):
        act(made.secret)


def test_people_list_their_own_tokens_and_managers_all_of_the_organisation():
    owner = found_owner()
    member = join(owner, Role.MEMBER)

    assert len(list_tokens(actor=member, cursor=None, limit=10, now=NOW).items) == 1
    assert len(list_tokens(actor=owner, cursor=None, limit=10, now=NOW).items) == 2


def test_there_is_a_limit_to_tokens():
    owner = found_owner()
    for _ in range(TOKENS_MAX - 1):
        make(owner)
    with pytest.raises(TokensFull):
        make(owner)


def test_use_is_noted_once_an_hour(django_assert_num_queries):
    secret = found_organisation().token.secret
    act(secret)
    with django_assert_num_queries(1):
        authenticate(token=secret, now=NOW + timedelta(minutes=59))
    authenticate(token=secret, now=NOW + timedelta(minutes=60))

    assert Token.objects.get().last_used_at == NOW + timedelta(minutes=60)
