"""Two organisations are never one user of the cluster."""

import pytest

from lilong.agent.engines.slurm.assignment import Assigned, Refusal, choose_user


def choose(organisation_id="org_a", *, mapped=None, pool=(), held=None):
    return choose_user(
        organisation_id=organisation_id, mapped=mapped or {}, pool=pool, held=held or {}, agent_user="lilong-agent"
    )


def code_of(answer):
    assert isinstance(answer, Refusal)
    assert answer.detail
    return answer.code


def test_a_mapped_organisation_gets_its_own_account():
    assert choose(mapped={"org_a": "ann", "org_b": "bob"}, pool=["svc1"]) == Assigned("ann")


def test_an_unmapped_organisation_goes_on_with_the_service_user_that_it_holds():
    held = {"svc1": "org_b", "svc2": "org_a"}

    assert choose(pool=["svc1", "svc2", "svc3"], held=held) == Assigned("svc2")


def test_an_unmapped_organisation_gets_the_first_free_service_user():
    assert choose(pool=["svc1", "svc2"], held={"svc1": "org_b"}) == Assigned("svc2", is_new=True)


def test_without_a_pool_an_unmapped_organisation_is_refused():
    assert code_of(choose(mapped={"org_b": "bob"})) == "identity.unmapped"


def test_when_every_service_user_is_held_the_next_organisation_is_refused():
    held = {"svc1": "org_b", "svc2": "org_c"}

    assert code_of(choose(pool=["svc1", "svc2"], held=held)) == "identity.pool_exhausted"


@pytest.mark.parametrize("user", ["root", "lilong-agent", "", "-u", "a/b", "a\nb", "..", "x" * 65])
def test_some_users_run_nobodys_jobs(user):
    assert code_of(choose(mapped={"org_a": user, "org_b": "bob"})) == "identity.user_forbidden"
    assert code_of(choose(pool=[user])) == "identity.pool_exhausted"


def test_a_user_that_is_mapped_is_never_lent_from_the_pool():
    assert code_of(choose(mapped={"org_b": "svc1"}, pool=["svc1"])) == "identity.pool_exhausted"
    assert choose(mapped={"org_b": "svc1"}, pool=["svc1", "svc2"]) == Assigned("svc2", is_new=True)


def test_a_user_that_is_mapped_is_not_lent_even_to_who_held_it():
    assert choose(mapped={"org_b": "svc1"}, pool=["svc1", "svc2"], held={"svc1": "org_a"}).user == "svc2"


@pytest.mark.parametrize(
    "given",
    [
        {"mapped": {"org_a": "ann"}, "pool": ["ann"]},
        {"mapped": {"org_a": "ann", "org_b": "ann"}},
        {"mapped": {"org_a": "ann"}, "held": {"ann": "org_b"}},
    ],
)
def test_a_mapped_user_of_two_organisations_is_refused(given):
    assert code_of(choose(**given)) == "identity.user_shared"


def test_a_held_user_that_left_the_pool_is_replaced():
    assert choose(pool=["svc2"], held={"svc1": "org_a"}) == Assigned("svc2", is_new=True)


def test_the_agents_own_user_runs_jobs_where_it_is_the_only_user_of_the_only_organisation():
    assert choose(mapped={"org_a": "lilong-agent"}) == Assigned("lilong-agent")
    assert code_of(choose(mapped={"org_a": "lilong-agent"}, pool=["svc1"])) == "identity.user_forbidden"
    assert code_of(choose("org_b", mapped={"org_a": "lilong-agent"})) == "identity.unmapped"
    assert code_of(choose(pool=["lilong-agent"])) == "identity.pool_exhausted"
