"""What people say about themselves."""

from django.db import transaction

from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.models import Person


def set_language(*, actor: Actor, language: Language) -> None:
    """Choose the language in which the hub writes to the actor."""
    require(may(actor, roles=frozenset(Role), scope=Scope.MANAGE))
    with transaction.atomic():
        Person.objects.filter(id=actor.person_id).update(language=language)
