"""A measurement through the real hub, agent and sandbox: ordered by the provider, run, checked, and on the shelf."""

from lilong.cli.demo.stage import Stage, Terms, wait_for
from tests.hub import running_hub


def test_a_provider_has_its_machine_measured_and_the_figures_are_on_the_shelf(tmp_path):
    settings: dict[str, list[str]] = {"measuring_requirements": []}
    with running_hub(tmp_path / "hub", settings=settings) as hub, Stage(hub=hub, terms=Terms()) as stage:
        stage.appoint_operators()
        stage.connect_pool()
        stage.open_shop()
        wallet = stage.provider.organisations.get_me().organisation.id
        case_id = stage.operators[0].wallet.request_top_up(
            organisation_id=wallet, amount_uc=100_000_000, reference="Transfer 1"
        )
        stage.approve(case_id, reason="It is on the statement.")
        wait_for(
            lambda: any(account.balance.available_uc for account in stage.provider.wallet.list_accounts()),
            what="enter the money",
        )
        stage.provider.offers.measure(stage.offer_id)

        def find_checked():
            history = stage.provider.offers.get_measured(stage.pool_id).history
            return history[0] if history[0].checked_at else None

        done = wait_for(find_checked, what="measure and check", within_s=180)
        [offer] = stage.provider.offers.search("measured_memory > 0").items

    assert done.refusal == ""
    assert {"memory", "disk_write", "disk_read"} <= {each.metric for each in done.figures}
    assert "tokens" in done.not_measured
    assert {each.metric for each in offer.measured} == {each.metric for each in done.figures}
