from dataclasses import replace

import pytest

from lilong.common.errors import NotAllowed
from lilong.foundation.record.models import Entry
from lilong.foundation.runs.models import Pool
from lilong.foundation.runs.public import authenticate_pool, get_pools
from lilong.foundation.runs.queries.pools import PoolMissing, get_pool, list_pools, list_unknown_attempts
from lilong.foundation.runs.reactions import raise_epochs
from lilong.foundation.runs.services.pools import (
    JoinTokenInvalid,
    PoolInvalid,
    PoolLimitReached,
    PoolNameTaken,
    PoolTokenInvalid,
    ProtocolUnknown,
    create_join_token,
    create_pool,
    join,
    rotate,
    set_draining,
)
from lilong.foundation.runs.services.sync import AgentSuperseded
from lilong.protocol.messages import PROTOCOL_VERSION, AttemptState, JoinRequest, Reason
from tests.pools import KEEPER, MEMBER, OPERATOR, PROVIDER, at, make_spec, open_pool, submit

pytestmark = pytest.mark.django_db
S = AttemptState


def ask_to_join(token, *, seconds=0, version=PROTOCOL_VERSION):
    request = JoinRequest(protocol_version=version, join_token=token, agent_version="0.1.0", hostname="login1")
    return join(request=request, now=at(seconds))


def test_a_join_token_works_once_and_for_a_day(agent):
    token = create_join_token(actor=KEEPER, pool_id=agent.pool_id, now=at(0)).token
    late = create_join_token(actor=KEEPER, pool_id=agent.pool_id, now=at(0)).token
    joined = ask_to_join(token)

    assert authenticate_pool(token=joined.pool_token, now=at(1)).pool_id == agent.pool_id
    with pytest.raises(JoinTokenInvalid):
        ask_to_join(token)
    with pytest.raises(JoinTokenInvalid):
        ask_to_join(late, seconds=24 * 3600)


def test_an_agent_that_joins_takes_the_place_of_the_one_before(agent):
    token = create_join_token(actor=KEEPER, pool_id=agent.pool_id, now=at(0)).token
    ask_to_join(token)

    with pytest.raises(PoolTokenInvalid):
        authenticate_pool(token=agent.pool_token, now=at(1))


def test_an_old_token_works_until_the_new_one_is_used(agent):
    authenticate_pool(token=agent.pool_token, now=at(0))
    lost_answer, fresh = rotate(pool_id=agent.pool_id, now=at(1)), rotate(pool_id=agent.pool_id, now=at(2))

    assert authenticate_pool(token=agent.pool_token, now=at(3)).pool_id == agent.pool_id
    assert authenticate_pool(token=fresh, now=at(4)).pool_id == agent.pool_id
    for old in (agent.pool_token, lost_answer):
        with pytest.raises(PoolTokenInvalid):
            authenticate_pool(token=old, now=at(5))


def test_changes_of_a_pools_key_are_recorded(agent):
    rotate(pool_id=agent.pool_id, now=at(1))

    kinds = Entry.objects.filter(subject_id=agent.pool_id).values_list("kind", flat=True)
    assert list(kinds) == ["runs.pool_key_changed"] * 2


@pytest.mark.parametrize("token", ["", "lilp_x", "lil_x", "中"])
def test_a_made_up_token_is_refused(agent, token):
    with pytest.raises(PoolTokenInvalid):
        authenticate_pool(token=token, now=at(0))


def create(*, name="embedded", engine="local", actor=KEEPER):
    return create_pool(actor=actor, provider_organisation_id=PROVIDER, name=name, engine=engine, now=at(1))


def test_creating_a_pool_again_finds_it(agent):
    assert create() == agent.pool_id


@pytest.mark.parametrize("wrong", [{"engine": "abacus"}, {"name": "Not A Name"}, {"name": "a" * 64}, {"name": ""}])
def test_a_pool_needs_a_name_and_an_engine_that_there_is(db, wrong):
    with pytest.raises(PoolInvalid):
        create(**wrong)


def test_a_name_taken_by_another_engine_is_refused(agent):
    Pool.objects.update(engine="slurm")

    with pytest.raises(PoolNameTaken):
        create()


def test_join_tokens_are_bounded(agent):
    for _ in range(20):
        create_join_token(actor=KEEPER, pool_id=agent.pool_id, now=at(0))

    with pytest.raises(PoolLimitReached):
        create_join_token(actor=KEEPER, pool_id=agent.pool_id, now=at(1))


def test_pools_are_kept_by_their_own_organisation_and_seen_by_operators(agent):
    stranger = replace(KEEPER, organisation_id="org_other")

    assert get_pool(actor=OPERATOR, pool_id=agent.pool_id, now=at(0)).name == "embedded"
    assert list_pools(actor=stranger, cursor=None, limit=10, now=at(0)).items == []
    with pytest.raises(PoolMissing):
        create_join_token(actor=stranger, pool_id=agent.pool_id, now=at(0))
    with pytest.raises(NotAllowed):
        create(actor=stranger)
    with pytest.raises(NotAllowed):
        create_pool(actor=MEMBER, provider_organisation_id=MEMBER.organisation_id, name="m", engine="local", now=at(0))


def test_another_version_of_the_protocol_is_refused_by_name(agent):
    token = create_join_token(actor=KEEPER, pool_id=agent.pool_id, now=at(0)).token

    for version in (PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1):
        with pytest.raises(ProtocolUnknown):
            agent.sync(seconds=1, protocol_version=version)
        with pytest.raises(ProtocolUnknown):
            ask_to_join(token, version=version)


def test_a_clock_that_differs_is_flagged(agent):
    agent.sync(seconds=10, sent_at=at(16))
    pool = get_pools(pool_ids=[agent.pool_id], now=at(10))[agent.pool_id]

    assert (pool.clock_skew_ms, pool.clock_skewed) == (6_000, True)


def test_a_stale_agent_gets_no_commands(agent):
    submit(agent)
    agent.epoch = 0
    stale = agent.sync(seconds=1)

    assert (stale.commands, agent.epoch) == ((), stale.epoch)
    assert agent.sync(seconds=2).commands


def test_the_agent_before_the_newest_is_sent_away(agent):
    submit(agent)
    newer = replace(agent, boot_id="boot-2", epoch=agent.epoch)

    assert newer.sync(seconds=1).commands == ()
    assert newer.sync(seconds=2).commands
    with pytest.raises(AgentSuperseded):
        agent.sync(seconds=3)


def test_after_a_restore_agents_tell_everything_before_they_get_commands(agent):
    submit(agent)
    before = agent.epoch
    raise_epochs(now=at(1))

    assert agent.sync(seconds=2).commands == ()
    assert agent.epoch > before
    assert agent.sync(seconds=3).commands


def test_an_agent_of_a_later_epoch_shows_that_the_hub_was_restored(agent):
    agent.epoch = 77

    assert agent.sync(seconds=1).epoch == 78
    assert agent.epoch == 78


def test_an_agent_cannot_speak_for_another_pools_attempt(agent):
    other = open_pool("other")
    submit(agent)
    taken = agent.take(seconds=1)
    lie = other.see(taken, S.FAILED, seconds=2, ms=900, reason=Reason.EXIT_NONZERO)
    other.sync(lie, seconds=2)
    row = Pool.objects.get(id=agent.pool_id).attempt_set.get()

    assert row.state == S.CREATED
    assert list_unknown_attempts(actor=OPERATOR, cursor=None, limit=10).items[0].pool_id == other.pool_id


def test_a_drained_pool_gets_nothing_new_and_finishes_what_it_has(agent):
    submit(agent)
    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, S.RUNNING, seconds=2, ms=500), seconds=2)
    set_draining(actor=KEEPER, pool_id=agent.pool_id, draining_at=at(3))
    submit(agent, spec=make_spec(name="second"), seconds=4)

    assert agent.sync(agent.see(taken, S.RUNNING, seconds=5, ms=3_000), seconds=5).commands == ()
    set_draining(actor=KEEPER, pool_id=agent.pool_id, draining_at=None)
    assert agent.take(seconds=6).spec.name == "second"
