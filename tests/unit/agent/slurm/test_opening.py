"""Which accelerators a provider's settings and the last proof open to untrusted work."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lilong.agent.engines.slurm.opening import find_closed, open_accelerators
from lilong.agent.engines.slurm.settings import AcceleratorSettings, SlurmSettings

OPEN = AcceleratorSettings(untrusted=True)


def make_settings(gres, **accelerators):
    return SlurmSettings(
        shared_folder=Path("/shared/agent"),
        jobs_folder=Path("/shared/jobs"),
        partition="gpu",
        gres=gres,
        accelerators={name.replace("_", "-"): told for name, told in accelerators.items()},
    )


def test_nothing_is_open_unless_the_provider_opens_it():
    opening = open_accelerators(settings=make_settings({"h100-sxm5": "gpu:h100"}))

    assert opening.shown == {}
    assert "`untrusted = true` in [slurm.accelerators.h100-sxm5]" in opening.closed["h100-sxm5"]


def test_an_open_accelerator_is_shown_as_its_vendor_says():
    shown = open_accelerators(settings=make_settings({"ascend-910b": "gpu:910b"}, ascend_910b=OPEN)).shown

    assert shown["ascend-910b"].common == ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
    assert shown["ascend-910b"].read_only == ("/usr/local/Ascend/driver", "/etc/ascend_install.info")
    assert shown["ascend-910b"].slurmd == "/usr/sbin/slurmd"


def test_what_the_provider_says_replaces_what_the_vendor_says_also_by_nothing():
    told = AcceleratorSettings(untrusted=True, common=("/dev/davinci_manager",), read_only=())

    shown = open_accelerators(settings=make_settings({"ascend-910b": "gpu:910b"}, ascend_910b=told)).shown

    assert (shown["ascend-910b"].common, shown["ascend-910b"].read_only) == (("/dev/davinci_manager",), ())


@pytest.mark.parametrize(
    ("accelerator", "gres", "words"),
    [
        ("ascend-910b", "npu:910b", "call it gpu:910b in slurm.conf"),
        ("dcu-z100", "dcu", "call it gpu:dcu in slurm.conf"),
        ("mtt-s4000", "gpu:s4000", "name them as `common` in [slurm.accelerators.mtt-s4000]"),
        ("abacus", "gpu:abacus", "abacus"),
    ],
)
def test_what_cannot_be_opened_says_what_would_open_it(accelerator, gres, words):
    opening = open_accelerators(settings=make_settings({accelerator: gres}, **{accelerator: OPEN}))

    assert words in opening.closed[accelerator]
    assert opening.shown == {}


def test_a_vendor_of_which_nothing_is_known_is_open_where_the_provider_names_what_all_share():
    told = AcceleratorSettings(untrusted=True, common=("/dev/dri/control",))

    shown = open_accelerators(settings=make_settings({"mtt-s4000": "gpu:s4000"}, mtt_s4000=told)).shown

    assert shown["mtt-s4000"].common == ("/dev/dri/control",)


@pytest.mark.parametrize(
    ("proven", "words"),
    [({}, "`lilong agent prove`"), ({"h100-sxm5": "Node n1 has no /dev/nvidiactl"}, "no /dev/nvid")],
)
def test_what_is_open_stays_closed_until_a_node_has_proven_it(proven, words):
    opening = open_accelerators(settings=make_settings({"h100-sxm5": "gpu:h100"}, h100_sxm5=OPEN))

    assert words in find_closed(opening=opening, proven=proven)["h100-sxm5"]
    assert find_closed(opening=opening, proven={"h100-sxm5": ""}) == {}


def test_a_proof_opens_nothing_that_the_provider_has_closed_since():
    opening = open_accelerators(settings=make_settings({"h100-sxm5": "gpu:h100"}))

    assert "h100-sxm5" in find_closed(opening=opening, proven={"h100-sxm5": ""})


@pytest.mark.parametrize("path", ["/", "dev/nvidiactl", "/dev/../etc", "/dev//nvidiactl", "/dev/", ""])
def test_a_path_that_is_not_plain_is_no_setting(path):
    with pytest.raises(ValidationError):
        AcceleratorSettings(common=(path,))
