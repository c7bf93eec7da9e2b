"""An operator looks whether all is well while the agent serves; what is wrong is named, and nothing is disturbed."""

from lilong.agent.checks import check_agent
from lilong.agent.settings import read_settings, write_new_token
from lilong.protocol.messages import AttemptState
from lilong.protocol.spec import RunSpec


def list_codes(agent):
    return [refusal.code for refusal in check_agent(home=agent.home).refusals]


def test_a_look_while_a_job_runs_finds_nothing_wrong_and_disturbs_nothing(agent, peer):
    agent.start()
    attempt = agent.submit(RunSpec(name="job", command="sleep 3; echo done", walltime_s=60))
    peer.wait(attempt, lambda seen: seen.state is AttemptState.RUNNING)
    found = check_agent(home=agent.home)

    assert found.refusals == ()
    assert found.sandbox
    assert found.cores > 0
    assert agent.wait_for_end(attempt).state is AttemptState.SUCCEEDED
    assert peer.read_log(attempt) == "done\n"


def test_a_token_that_the_hub_does_not_know_is_named(agent):
    assert list_codes(agent) == []
    write_new_token(agent.home, pool_token="of another pool")

    assert list_codes(agent) == ["agent.token_refused"]
    assert read_settings(agent.home).pool_token == "of another pool"


def test_a_hub_that_does_not_answer_is_named(agent, peer):
    peer.trouble = lambda _path: 503

    assert list_codes(agent) == ["agent.hub_silent"]
