"""A provider that sells one accelerator and lets a real cluster give another: Slurm's own books give it away."""

from dataclasses import replace
from pathlib import Path

import pytest

from lilong.agent.engines.port import NativeState
from lilong.platforms.supermarket.models import Dispute
from lilong.protocol.messages import AttemptState
from lilong.protocol.spec import Isolation, RunSpec
from lilong.web.config import load_settings
from tests.cheats import Cheat, price
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.site import running_site
from tests.slurm.trees import SUITES

pytestmark = pytest.mark.django_db(transaction=True)
S = AttemptState
SOLD, GIVEN = "h100-sxm5", "ascend-910b"
RESOURCES = {"accelerator": SOLD, "accelerators": 2}


@pytest.fixture(autouse=True)
def home(settings, tmp_path) -> Path:
    """Give the hub a home folder of its own."""
    folder: Path = tmp_path / "hub"
    (folder / "objects").mkdir(parents=True)
    settings.LILONG = load_settings().model_copy(update={"home": folder, "storage_reserve_bytes": 0})
    return folder


def wait_for_allocation(rig: SlurmRig, ref: str) -> NativeState:
    def told() -> NativeState | None:
        seen = rig.find(ref)
        return seen if seen is not None and seen.allocated else None

    return wait_until(told, within_s=30)


@pytest.mark.parametrize("suite", SUITES)
def test_a_type_under_the_name_of_a_better_one_opens_a_dispute(tmp_path, suite):
    """The provider's settings call the cluster's ascend910b by the id that was sold; the inventory lies with them."""
    with running_site(suite=suite) as site:
        lying = site.settings.model_copy(update={"gres": {SOLD: "gpu:ascend910b"}})
        rig = SlurmRig(tmp_path, replace(site, settings=lying))
        try:
            nodes = rig.engine.probe().nodes
            spec = RunSpec(
                name="a", command="sleep 60", walltime_s=120, isolation=Isolation.TRUSTED, resources=RESOURCES
            )
            ref = rig.engine.submit(job=rig.make_job(spec))
            seen = wait_for_allocation(rig, ref)
        finally:
            rig.close()
    cheat = Cheat(spec={"resources": RESOURCES}, accelerator=SOLD, nodes=nodes)
    cheat.tell(S.RUNNING, seconds=62, ms=60_000, nodes=seen.nodes, allocated=seen.allocated)
    cheat.tell(S.SUCCEEDED, seconds=123, ms=120_000, nodes=seen.nodes)
    charged_uc = cheat.settle().due_uc

    assert sum(kind.total for node in nodes for kind in node.accelerators if kind.accelerator == SOLD) > 0
    assert charged_uc == 2 * price(120_000)
    assert cheat.is_caught()
    assert f"Node {seen.nodes[0]} gave 0 of {SOLD} and 2 of {GIVEN}" in Dispute.objects.get().reason
