"""What an agent reads of a hub that is newer or older than itself."""

from lilong.protocol.messages import PROTOCOL_VERSION, Submit, SyncResponse
from tests.contract.engines import make_lock
from tests.pools import NOON, make_spec

SUBMIT = Submit(
    attempt_id="att_1",
    run_id="run_1",
    number=1,
    organisation_id="org_1",
    charge_code="prg_1",
    token="t",
    nonce="n",
    spec=make_spec(),
    environment=make_lock(),
    authorised_ms=1000,
    queue_wait_s=120,
    epoch=1,
)
ANSWER = SyncResponse(
    protocol_version=PROTOCOL_VERSION,
    hub_id="hub_1",
    epoch=1,
    server_time=NOON,
    commands=(SUBMIT,),
    lease_s=60,
    interval_s=1.0,
    keep_spool_s=60,
)


def test_fields_of_a_newer_hub_are_read_over():
    said = ANSWER.model_dump(mode="json")
    said["from_later"] = said["commands"][0]["from_later"] = {"a": 1}
    said["commands"][0]["spec"]["from_later"] = said["commands"][0]["environment"]["from_later"] = [1]

    assert SyncResponse.model_validate(said) == ANSWER


def test_without_a_limit_from_an_older_hub_a_job_may_queue_as_long_as_it_takes():
    said = ANSWER.model_dump(mode="json")
    del said["commands"][0]["queue_wait_s"]
    [submit] = SyncResponse.model_validate(said).commands

    assert isinstance(submit, Submit)
    assert submit.queue_wait_s is None


def test_a_job_from_an_older_hub_is_charged_under_nothing():
    said = ANSWER.model_dump(mode="json")
    del said["commands"][0]["charge_code"]
    [submit] = SyncResponse.model_validate(said).commands

    assert submit == SUBMIT.model_copy(update={"charge_code": ""})
