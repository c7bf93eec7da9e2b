"""Who is erased is forgotten here, too."""

import json

import pytest
from django.apps import apps
from django.db import transaction
from django.db.models import QuerySet

from lilong.common.permissions import Role
from lilong.foundation.members.models import Person
from lilong.foundation.members.public.people import erase_person
from lilong.foundation.notices.models import Letter, Mail, Notice, Preference
from lilong.foundation.notices.public import post_notice
from lilong.foundation.notices.reactions import prune, reconcile, send_mails
from lilong.foundation.notices.services.inbox import MailWish, choose_mail
from lilong.foundation.notices.services.webhooks import register_webhook
from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.outbox.public import deliver
from lilong.web.wiring import SUBSCRIBERS
from tests.people import NOW, found_owner, join

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "Bo Lin of the third lane"


@pytest.fixture
def bo():
    """Return an admin who was told something, has registered a webhook, and chose which mail to get."""
    owner = found_owner()
    admin = join(owner, Role.ADMIN)
    with transaction.atomic():
        Person.objects.filter(id=admin.person_id).update(name=NAME)
        post_notice(
            kind="cases.admission_approved",
            subject_id="cas_1",
            organisation_id=owner.organisation_id,
            params={"name": "Shu", "reason": "Fine."},
            now=NOW,
        )
    choose_mail(actor=admin, kind="runs.run_failed", wanted=MailWish.NO)
    register_webhook(actor=admin, url="https://example.org/hook", kinds=["runs.run_failed"], now=NOW)
    reconcile(now=NOW)
    send_mails(now=NOW)
    return admin


def find_left(person):
    """Return what notices still hold about somebody, by table."""
    rows = {"letters": Letter.objects, "mails": Mail.objects, "choices": Preference.objects}
    return {name for name, table in rows.items() if table.filter(person_id=person.person_id).exists()}


def read_texts():
    """Return all that stands in the tables of notices, as text."""
    return json.dumps(
        [list(QuerySet(model).values()) for model in apps.get_app_config("notices").get_models()], default=str
    )


def test_inbox_mails_choices_and_name_go_with_the_person(bo):
    assert find_left(bo) == {"letters", "mails", "choices"}
    assert NAME in read_texts()
    others = Letter.objects.exclude(person_id=bo.person_id).count()

    erase_person(person_id=bo.person_id, now=NOW)
    while deliver(now=NOW, subscribers=SUBSCRIBERS):
        pass

    assert find_left(bo) == set()
    assert NAME not in read_texts()
    assert Letter.objects.count() == others > 0
    assert Notice.objects.get(kind="notices.webhook_registered").params["person"] == "erased"


def test_what_the_event_missed_is_found_from_the_tables_alone(bo):
    erase_person(person_id=bo.person_id, now=NOW)
    with transaction.atomic():
        WaitingEvent.objects.all().delete()

    for _ in range(2):
        prune(now=NOW)
    assert find_left(bo) == set()
    assert NAME not in read_texts()
