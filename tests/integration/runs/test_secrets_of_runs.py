from dataclasses import replace

import pytest

from lilong.common.permissions import Scope
from lilong.foundation.members.models import Organisation
from lilong.foundation.members.services.vault import SecretMissing, delete_secret, put_secret
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.models import Attempt, Run
from lilong.protocol.messages import AttemptState, Fault, Reason
from tests.pools import MEMBER, NOON, ORGANISATION, at, look, make_spec, submit

pytestmark = pytest.mark.django_db
KEEPER_OF_SECRETS = replace(MEMBER, scopes=frozenset(Scope))


@pytest.fixture
def secret(db):
    Organisation.objects.create(id=ORGANISATION, name="Ada's", kind="resident", state="admitted", created_at=NOON)
    put_secret(actor=KEEPER_OF_SECRETS, name="HF_TOKEN", value="hf_very_secret", now=at(0))


def test_values_of_secrets_travel_in_the_submit_command_and_stand_nowhere_else(agent, secret):
    run_id = submit(agent, spec=make_spec(secrets=["HF_TOKEN"]))
    taken = agent.take(seconds=1)
    rows = [*Run.objects.filter(id=run_id).values(), *Attempt.objects.filter(run_id=run_id).values()]

    assert taken.secrets == {"HF_TOKEN": "hf_very_secret"}
    assert "hf_very_secret" not in f"{rows}{taken}"


def test_a_run_that_names_a_secret_that_is_not_there_is_refused(agent):
    with pytest.raises(SecretMissing):
        submit(agent, spec=make_spec(secrets=["HF_TOKEN"]))


def test_a_secret_taken_away_before_submission_ends_the_run_by_the_members_fault(agent, secret):
    run_id = submit(agent, spec=make_spec(secrets=["HF_TOKEN"]))
    delete_secret(actor=KEEPER_OF_SECRETS, name="HF_TOKEN")
    other = submit(agent)

    assert agent.take(seconds=1).run_id == other
    ended = look(run_id)
    assert (ended.state, ended.reason, ended.fault) == (RunState.FAILED, Reason.SPEC_REFUSED, Fault.MEMBER)
    assert (ended.attempts[0].state, ended.billable_ms) == (AttemptState.REJECTED, 0)
    assert "HF_TOKEN" in ended.detail
