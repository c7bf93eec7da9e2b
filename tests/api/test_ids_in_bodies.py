"""What belongs to somebody else cannot be used by naming it in a body, and naming it tells nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.runs.services.volumes import create_volume
from lilong.platforms.supermarket.models import ServiceLevel
from tests.api.operations import ask, forge, list_operations
from tests.api.resources import make_belongings, make_project, make_volume, upload_folder
from tests.market import ask as ask_for_quote
from tests.market import open_stall
from tests.people import NOW, make_member_token
from tests.pools import make_spec

OFFER = {"name": "x", "unit": "core_s", "memory_mib_per_unit": 1024}
MAKERS = {
    "manifest_sha256": lambda own: upload_folder(own.owner.organisation_id),
    "object_sha256": lambda own: own.input_sha256,
    "organisation_id": lambda own: own.owner.organisation_id,
    "pool_id": lambda own: own.seller.agent.pool_id,
    "project_id": make_project,
    "quote_id": lambda own: ask_for_quote(own.owner, seconds=100).id,
    "sha256": lambda own: own.input_sha256,
    "service_level_id": lambda own: ServiceLevel.objects.get(provider_id=own.seller.provider_id).id,
    "subject_id": make_project,
    "volume_id": make_volume,
    "workdir_sha256": lambda own: upload_folder(own.owner.organisation_id),
}


def job(**fields):
    return {"spec": make_spec().model_dump(mode="json") | fields}


BODIES = {
    ("POST /api/v1/budgets", "subject_id"): lambda real, _: {
        "name": "x",
        "scope": "project",
        "subject_id": real,
        "limit_uc": 1,
    },
    ("POST /api/v1/evidence", "sha256"): lambda real, _: {
        "kind": "registration",
        "title": "Registration",
        "sha256": real,
        "issued_on": "2026-01-01",
    },
    ("POST /api/v1/me/leave", "organisation_id"): lambda real, _: {"organisation_id": real},
    ("POST /api/v1/orders", "quote_id"): lambda real, _: {"quote_id": real},
    ("POST /api/v1/pay-outs", "organisation_id"): lambda real, _: {
        "organisation_id": real,
        "amount_uc": 1,
        "beneficiary": "DE00",
    },
    ("POST /api/v1/pools", "organisation_id"): lambda real, _: {"organisation_id": real, "name": "x"},
    ("POST /api/v1/providers/{provider_id}/offers", "pool_id"): lambda real, _: OFFER | {"pool_id": real},
    ("POST /api/v1/providers/{provider_id}/offers", "service_level_id"): lambda real, stranger: (
        OFFER | {"pool_id": stranger.agent.pool_id, "service_level_id": real}
    ),
    ("POST /api/v1/quotes", "object_sha256"): lambda real, _: job(inputs=[{"object_sha256": real, "mount": "x"}]),
    ("POST /api/v1/quotes", "project_id"): lambda real, _: job() | {"project_id": real},
    ("POST /api/v1/quotes", "volume_id"): lambda real, _: job(inputs=[{"volume_id": real, "mount": "x"}]),
    ("POST /api/v1/quotes", "workdir_sha256"): lambda real, _: job(workdir_sha256=real),
    ("POST /api/v1/top-ups", "organisation_id"): lambda real, _: {
        "organisation_id": real,
        "amount_uc": 1,
        "reference": "payment 1",
    },
    ("PUT /api/v1/volumes/{volume_id}", "manifest_sha256"): lambda real, _: {"manifest_sha256": real},
}
"""For each id or digest in a body: the body of a stranger who names a real one of somebody else."""

TRIED_ELSEWHERE = {
    "POST /api/v1/objects/find": "test_objects.py: what others hold is missing to a stranger",
    "POST /api/v1/ownership": "integration/members/test_ownership.py: an id is taken whether there is one or not",
    "POST /api/v1/specs/check": "looks nothing up but the shelf",
    "POST /api/v1/uploads": "integration/objects/test_uploads.py: what others hold is to be sent in full",
}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def list_names(schema: object) -> Iterator[str]:
    """Yield the names of all properties in a JSON schema."""
    if isinstance(schema, Mapping):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from list_names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from list_names(part)


def test_every_id_in_a_body_is_tried():
    found = {
        (str(each), name)
        for each in list_operations()
        if each.rule.roles - {Role.OPERATOR} and str(each) not in TRIED_ELSEWHERE
        for model in each.bodies
        for name in list_names(model.model_json_schema())
        if name.endswith(("_id", "sha256"))
    }
    assert found == BODIES.keys()
    assert {str(each) for each in list_operations()} >= TRIED_ELSEWHERE.keys()


@pytest.mark.parametrize(("name", "field"), BODIES)
def test_naming_what_is_somebody_elses_is_refused_like_naming_what_nobody_has(name, field):
    [operation] = [each for each in list_operations() if str(each) == name]
    real = MAKERS[field](make_belongings())
    stranger = open_stall(name="strangers")
    token = make_member_token(stranger.owner, Role.OWNER, now=utc_now())
    volume = create_volume(actor=stranger.owner, name="mine", max_bytes=1000, now=NOW)
    parts = {"provider_id": stranger.provider_id, "volume_id": volume.id}
    answers = []
    for named in (real, forge(real)):
        answer = ask(operation, token=token, parts=parts, body=BODIES[name, field](named, stranger))
        answers.append(replace(answer, content=answer.content.replace(named.encode(), b"?")))

    assert answers[0] == answers[1]
    assert answers[0].status in {403, 404, 422}
    assert b'"code": "input.' not in answers[0].content
