"""Every road of /agent/v1 as the agent's own client walks it."""

from contextlib import ExitStack

import httpx
import pytest

from lilong.agent.hub import HubClient, HubRefused
from lilong.common.time import format_moment, utc_now
from lilong.foundation.runs.public import RunState
from lilong.foundation.runs.services.logs import LOG_BYTES_PER_RANK_MAX, append_log
from lilong.foundation.runs.services.pools import JoinTokenInvalid, PoolTokenInvalid, ProtocolUnknown, create_join_token
from lilong.foundation.runs.services.sync import AgentSuperseded
from lilong.protocol.messages import PROTOCOL_VERSION, AttemptState, JoinRequest, Reason, SyncRequest
from tests.bytes import digest, fresh
from tests.pools import KEEPER, at, look, make_inventory, make_spec, open_pool, pack, submit

S = AttemptState
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool(hub_url):
    """Return a pool that serves, whose words a test chooses."""
    return open_pool()


@pytest.fixture
def connect(hub_url):
    """Return how to reach the hub with a token, or without one."""
    with ExitStack() as stack:

        def open_client(token=None):
            client = HubClient(hub_url=hub_url, pool_token=token)
            stack.callback(client.close)
            return client

        yield open_client


@pytest.fixture
def client(pool, connect):
    return connect(pool.pool_token)


def make_sync(pool, **fields):
    said = {
        "protocol_version": PROTOCOL_VERSION,
        "agent_version": "0.1.0",
        "epoch": pool.epoch,
        "boot_id": pool.boot_id,
        "sent_at": utc_now(),
        "complete": True,
        **fields,
    }
    return SyncRequest.model_validate(said)


def refuse(act):
    """Return the code with which the hub refuses."""
    with pytest.raises(HubRefused) as refused:
        act()
    return refused.value.facts["code"]


def test_an_agent_joins_and_its_token_opens_the_roads(pool, connect):
    token = create_join_token(actor=KEEPER, pool_id=pool.pool_id, now=utc_now()).token
    request = JoinRequest(protocol_version=PROTOCOL_VERSION, join_token=token, agent_version="0.1.0", hostname="login1")
    newcomer = connect()
    joined = newcomer.join(request)
    newcomer.use_token(joined.pool_token)

    assert joined.pool_id == pool.pool_id
    assert newcomer.sync(make_sync(pool)).hub_id == joined.hub_id
    assert refuse(lambda: newcomer.join(request)) == JoinTokenInvalid.code
    assert refuse(lambda: connect(pool.pool_token).sync(make_sync(pool))) == PoolTokenInvalid.code


def test_a_rotated_token_takes_over_when_it_is_used(pool, client):
    fresh_token = client.rotate_token()
    client.sync(make_sync(pool))
    client.use_token(fresh_token)
    client.sync(make_sync(pool))
    client.use_token(pool.pool_token)

    assert refuse(lambda: client.sync(make_sync(pool))) == PoolTokenInvalid.code


def test_a_sync_brings_commands(pool, client):
    run_id = submit(pool)

    assert [command.run_id for command in client.sync(make_sync(pool)).commands] == [run_id]


def test_a_sync_of_another_version_or_form_is_refused_by_name(pool, client, hub_url):
    headers = {"Authorization": f"Bearer {pool.pool_token}"}

    def post(content):
        return httpx.post(f"{hub_url}/agent/v1/sync", content=content, headers=headers)

    other = post(b'{"protocol_version": 99, "everything": "else"}')
    malformed = post(b'{"protocol_version": 1, "epoch": "many"}')
    nonsense = post(b"\xff")

    assert refuse(lambda: client.sync(make_sync(pool, protocol_version=2))) == ProtocolUnknown.code
    assert (other.status_code, other.json()["code"]) == (422, ProtocolUnknown.code)
    assert (malformed.status_code, malformed.json()["code"]) == (422, "runs.sync_malformed")
    assert "epoch" in [field["path"] for field in malformed.json()["fields"]]
    assert (nonsense.status_code, nonsense.json()["code"]) == (422, "runs.sync_malformed")


@pytest.mark.parametrize(("version", "older"), [(PROTOCOL_VERSION - 1, "agent"), (99, "hub")])
def test_an_agent_of_a_version_that_is_not_spoken_is_told_which_side_to_upgrade(pool, client, version, older):
    token = create_join_token(actor=KEEPER, pool_id=pool.pool_id, now=utc_now()).token
    joining = JoinRequest(protocol_version=version, join_token=token, agent_version="0.1.0", hostname="login1")
    for act in (lambda: client.sync(make_sync(pool, protocol_version=version)), lambda: client.join(joining)):
        with pytest.raises(HubRefused) as refused:
            act()

        assert refused.value.facts["code"] == ProtocolUnknown.code
        assert refused.value.detail == (
            f"The agent speaks version {version}, this hub {PROTOCOL_VERSION}. Upgrade the {older}."
        )


def test_fields_of_a_newer_agent_are_read_over(pool, hub_url):
    run_id = submit(pool)
    taken = pool.take(seconds=1)
    said = make_sync(pool, inventory=make_inventory(), observations=(pool.see(taken, S.RUNNING, seconds=2, ms=500),))
    answer = post_sync(hub_url, pool, _add_unknown_fields(said.model_dump(mode="json")))

    assert answer.status_code == 200
    assert look(run_id, seconds=3).attempts[0].state is S.RUNNING


def test_an_agent_without_the_newer_optional_fields_works(pool, hub_url):
    spec = make_spec(resources={"accelerator": "h100-sxm5", "accelerators": 1})
    run_id = submit(pool, spec=spec)
    taken = pool.take(seconds=1)
    for seconds, state in ((900, S.QUEUED), (901, S.RUNNING), (902, S.SUCCEEDED)):
        seen = {"attempt_id": taken.attempt_id, "state": state, "observed_at": format_moment(at(seconds))}
        ended = {"outputs_complete": True} if state is S.SUCCEEDED else {}
        said = make_sync(pool).model_dump(mode="json", exclude_unset=True)
        assert post_sync(hub_url, pool, {**said, "observations": [seen | ended]}).status_code == 200
    run = look(run_id, seconds=903)

    assert (taken.queue_wait_s, run.state) == (24 * 3600, RunState.SUCCEEDED)
    assert run.attempts[0].reason is Reason.COMPLETED


def post_sync(hub_url, pool, said):
    headers = {"Authorization": f"Bearer {pool.pool_token}"}
    return httpx.post(f"{hub_url}/agent/v1/sync", json=said, headers=headers)


def _add_unknown_fields(value):
    """Return the same with a field more in every object of the message that has fields of its own."""
    if isinstance(value, list):
        return [_add_unknown_fields(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_message = not all(key.isdecimal() for key in value)
    return {key: _add_unknown_fields(item) for key, item in value.items()} | ({"from_later": [1]} if is_message else {})


def test_an_agent_that_was_followed_is_told_so(pool, client):
    client.sync(make_sync(pool, boot_id="newer"))

    assert refuse(lambda: client.sync(make_sync(pool))) == AgentSuperseded.code


@pytest.mark.parametrize("path", ["/sync", "/rotate"])
@pytest.mark.parametrize("token", ["", "Bearer lilp_made_up", "Bearer lil_made_up"])
def test_without_a_pools_token_there_is_no_road(hub_url, db, path, token):
    answer = httpx.post(f"{hub_url}/agent/v1{path}", headers={"Authorization": token} if token else {})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_log_is_resumed_from_where_the_hub_is(pool, client):
    submit(pool)
    attempt_id = pool.take(seconds=1).attempt_id

    assert client.put_log(attempt_id=attempt_id, rank=0, offset=0, content=b"hello ") == 6
    assert client.put_log(attempt_id=attempt_id, rank=0, offset=99, content=b"?") == 6
    assert client.put_log(attempt_id=attempt_id, rank=0, offset=6, content=b"world") == 11


def test_a_full_log_does_not_hold_the_agent_up(pool, client):
    submit(pool)
    attempt_id = pool.take(seconds=1).attempt_id
    part = bytes(LOG_BYTES_PER_RANK_MAX)
    append_log(pool_id=pool.pool_id, attempt_id=attempt_id, rank=0, offset=0, content=part)

    assert client.put_log(attempt_id=attempt_id, rank=0, offset=len(part), content=b"more") == len(part) + 4


def test_an_output_is_resumed_from_where_the_hub_is(pool, client):
    submit(pool)
    content = fresh(1_000)
    of = {"attempt_id": pool.take(seconds=1).attempt_id, "sha256": digest(content)}

    assert client.find_upload_offset(**of) is None
    assert client.put_object(**of, offset=0, size_bytes=1_000, content=content[:400]) == 400
    assert client.find_upload_offset(**of) == 400
    assert client.put_object(**of, offset=0, size_bytes=1_000, content=content[:100]) == 400
    assert client.put_object(**of, offset=400, size_bytes=1_000, content=content[400:]) == 1_000
    assert client.find_upload_offset(**of) == 1_000


def test_an_empty_output_is_there_after_one_request(pool, client):
    submit(pool)
    of = {"attempt_id": pool.take(seconds=1).attempt_id, "sha256": digest(b"")}

    assert client.put_object(**of, offset=0, size_bytes=0, content=b"") == 0
    assert client.find_upload_offset(**of) == 0


def test_inputs_come_whole_or_from_an_offset(pool, client):
    content = fresh(1_000)
    submit(pool, spec=make_spec(workdir_sha256=pack(**{"a.bin": content})))
    of = {"attempt_id": pool.take(seconds=1).attempt_id, "sha256": digest(content)}

    for offset in (0, 400, 999):
        with client.get_object(**of, offset=offset) as (start, chunks):
            assert (start, b"".join(chunks)) == (offset, content[offset:])


def test_objects_and_attempts_of_others_are_not_there(pool, client, connect):
    submit(pool)
    attempt_id = pool.take(seconds=1).attempt_id
    stranger = connect(open_pool("other").pool_token)

    def get(hub, sha256):
        with hub.get_object(attempt_id=attempt_id, sha256=sha256, offset=0) as (_, chunks):
            return list(chunks)

    assert refuse(lambda: get(client, digest(fresh(5)))) == "runs.input_foreign"
    assert refuse(lambda: get(stranger, digest(fresh(5)))) == "runs.attempt_missing"
    assert (
        refuse(lambda: stranger.put_log(attempt_id=attempt_id, rank=0, offset=0, content=b"x"))
        == "runs.attempt_missing"
    )


def test_a_request_may_not_be_longer_than_16_mib(pool, client):
    submit(pool)
    attempt_id = pool.take(seconds=1).attempt_id
    content = bytes(16 * 1024 * 1024 + 1)

    assert (
        refuse(lambda: client.put_log(attempt_id=attempt_id, rank=0, offset=0, content=content))
        == "runs.request_too_long"
    )
