import pytest

from lilong.agent.engines.slurm.charging import Charges

CHARGES = Charges(
    account="pool",
    qos="normal",
    accounts_by_organisation={"org_1": "college", "org_2": "works"},
    accounts_by_programme={"prg_1": "city"},
    qos_by_organisation={"org_1": "idle"},
    qos_by_programme={"prg_1": "public", "prg_2": "gold"},
)


@pytest.mark.parametrize(
    ("organisation_id", "charge_code", "chosen"),
    [
        ("org_1", "prg_1", ("city", "public")),
        ("org_1", "prg_2", ("college", "gold")),
        ("org_1", "prg_9", ("college", "idle")),
        ("org_1", "", ("college", "idle")),
        ("org_2", "prg_2", ("works", "gold")),
        ("org_9", "prg_1", ("city", "public")),
        ("org_9", "", ("pool", "normal")),
        ("", "", ("pool", "normal")),
    ],
)
def test_a_programme_comes_before_an_organisation_and_both_before_the_rest(organisation_id, charge_code, chosen):
    assert CHARGES.choose(organisation_id=organisation_id, charge_code=charge_code) == chosen


def test_without_any_setting_the_users_own_defaults_are_meant():
    assert Charges().choose(organisation_id="org_1", charge_code="prg_1") == ("", "")
