"""What organisations declare of themselves for voucher rules: kept for good, the latest counts."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from django.db import transaction

from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.record.public import append
from lilong.platforms.funding.core.rules import HEAD_COUNT_MAX, Purpose
from lilong.platforms.funding.models import Declaration

DECLARERS = frozenset({Role.OWNER, Role.ADMIN, Role.OPERATOR})
_COUNTRY = re.compile(r"[A-Z]{2}")


class DeclarationInvalid(InputInvalid):
    """Something declared cannot be."""

    code = "funding.declaration_invalid"
    title = "This cannot be declared"
    next_step = "Correct the fields named here."


def declare_facts(
    *,
    actor: Actor,
    country: str,
    founded_on: date | None,
    head_count: int | None,
    purposes: Sequence[Purpose],
    now: datetime,
) -> None:
    """Declare for the actor's organisation where it is registered, since when, how many people, and for what.

    It counts for what is quoted and issued from now on; what was frozen into quotes stays.
    """
    require(may(actor, roles=DECLARERS, scope=Scope.MANAGE))
    problems = list(_find_problems(country, founded_on, head_count, today=now.date()))
    if problems:
        raise DeclarationInvalid(fields=problems)
    with transaction.atomic():
        row = Declaration.objects.create(
            id=new_id("dcl"),
            organisation_id=actor.organisation_id,
            country=country,
            founded_on=founded_on,
            head_count=head_count,
            purposes=sorted({purpose.value for purpose in purposes}),
            declared_by=actor.person_id,
            declared_at=now,
        )
        append(
            kind="funding.declaration",
            subject_id=actor.organisation_id,
            payload={
                "by": actor.person_id,
                "country": country,
                "founded_on": founded_on.isoformat() if founded_on else None,
                "head_count": head_count,
                "organisation_id": actor.organisation_id,
                "purposes": row.purposes,
            },
            organisation_id=actor.organisation_id,
            now=now,
        )


def _find_problems(
    country: str, founded_on: date | None, head_count: int | None, *, today: date
) -> Iterator[FieldProblem]:
    if country and not _COUNTRY.fullmatch(country):
        message = say("It must be two capital letters, such as CN.")
        yield FieldProblem(path="country", code="funding.no_country", message=message)
    # A day of grace: where the declarer is it may be tomorrow already.
    if founded_on is not None and founded_on > today + timedelta(days=1):
        message = say("It must not be later than today.")
        yield FieldProblem(path="founded_on", code="funding.day_to_come", message=message)
    if head_count is not None and not 0 <= head_count <= HEAD_COUNT_MAX:
        message = say("It must be from {least} to {most}.", least=0, most=HEAD_COUNT_MAX)
        yield FieldProblem(path="head_count", code="funding.out_of_range", message=message)
