"""Lost second factors at the desk: what an operator sees of a request, and deciding it."""

import pytest

from lilong.common.time import utc_now
from lilong.foundation.members.models import FactorLoss
from lilong.foundation.members.services.factor_losses import ask_for_removal
from tests.desks import browse_as

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_operator_decides_at_the_desk(filled):
    path = f"/desk/second-factors/{FactorLoss.objects.get().id}"
    desk = browse_as(filled.operator)
    assert f'href="{path}"' in desk.get("/desk").content.decode()
    assert "Ask the owner of our hall." in desk.get(path).content.decode()
    assert desk.post(path, {"decision": "grant", "reason": " "}).status_code == 200
    assert FactorLoss.objects.get().state == "waiting"
    desk.post(path, {"decision": "grant", "reason": "Called the lab."})

    assert FactorLoss.objects.get().state == "granted"
    assert "Granted, time runs" in desk.get("/desk/second-factors").content.decode()


def test_the_desk_does_not_show_what_is_not_proven(filled):
    ask_for_removal(person_id=filled.buyer.person_id, now=utc_now())
    unproven = FactorLoss.objects.get(person=filled.buyer.person_id)
    desk = browse_as(filled.operator)

    assert unproven.person.email not in desk.get("/desk/second-factors").content.decode()
    assert desk.get(f"/desk/second-factors/{unproven.id}").status_code == 404
