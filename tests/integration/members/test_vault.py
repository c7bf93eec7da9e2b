import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection, transaction

from lilong.common.django.sealing import SealBroken
from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.foundation.members.models import Secret
from lilong.foundation.members.public import find_missing_secrets, reveal_secrets
from lilong.foundation.members.queries import list_secrets
from lilong.foundation.members.services.vault import (
    SECRETS_MAX,
    SecretMissing,
    SecretsFull,
    SecretTooLong,
    delete_secret,
    put_secret,
)
from tests.people import NOW, found_owner, join

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key_file():
    path = settings.LILONG.home / "keys" / "secrets.key"
    yield path
    path.unlink(missing_ok=True)


def reveal(owner, *names):
    return reveal_secrets(organisation_id=owner.organisation_id, names=names)


def test_a_secret_is_revealed_to_jobs_of_its_organisation_alone():
    owner, stranger = found_owner(), found_owner()
    put_secret(actor=owner, name="HF_TOKEN", value="s3cret", now=NOW)

    assert reveal(owner, "HF_TOKEN") == {"HF_TOKEN": "s3cret"}
    with pytest.raises(SecretMissing):
        reveal(stranger, "HF_TOKEN")
    assert find_missing_secrets(organisation_id=stranger.organisation_id, names=["HF_TOKEN"]) == ["HF_TOKEN"]


def test_neither_the_database_nor_a_list_shows_the_value():
    owner = found_owner()
    put_secret(actor=owner, name="HF_TOKEN", value="s3cret", now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM members_secret")
        assert "s3cret" not in str(cursor.fetchall())

    assert [row.name for row in list_secrets(actor=owner, cursor=None, limit=10).items] == ["HF_TOKEN"]


def test_a_secret_is_replaced_and_deleted():
    owner = found_owner()
    for value in ("old", "new"):
        put_secret(actor=owner, name="KEY", value=value, now=NOW)
    assert reveal(owner, "KEY") == {"KEY": "new"}

    delete_secret(actor=owner, name="KEY")
    with pytest.raises(NotFound):
        delete_secret(actor=owner, name="KEY")


def test_a_viewer_keeps_no_secrets():
    with pytest.raises(NotAllowed):
        put_secret(actor=join(found_owner(), Role.VIEWER), name="KEY", value="x", now=NOW)


def test_a_sealed_value_moved_to_another_organisation_does_not_open():
    owner, thief = found_owner(), found_owner()
    put_secret(actor=owner, name="KEY", value="x", now=NOW)
    with transaction.atomic():
        Secret.objects.update(organisation_id=thief.organisation_id)

    with pytest.raises(SealBroken):
        reveal(thief, "KEY")


def test_there_are_limits_to_secrets():
    owner = found_owner()
    with pytest.raises(SecretTooLong):
        put_secret(actor=owner, name="KEY", value="é" * 20_000, now=NOW)
    for number in range(SECRETS_MAX):
        put_secret(actor=owner, name=f"KEY_{number}", value="x", now=NOW)
    with pytest.raises(SecretsFull):
        put_secret(actor=owner, name="ONE_MORE", value="x", now=NOW)
    put_secret(actor=owner, name="KEY_1", value="y", now=NOW)


def test_without_its_key_a_secret_stays_closed(key_file):
    owner = found_owner()
    put_secret(actor=owner, name="KEY", value="x", now=NOW)
    key_file.write_bytes(Fernet.generate_key())

    with pytest.raises(SealBroken):
        reveal(owner, "KEY")
