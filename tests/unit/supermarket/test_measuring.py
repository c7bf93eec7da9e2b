"""The program really measures, and the hub believes no report but that of a measurement that it asked for."""

import json
from random import Random

import pytest

from lilong.platforms.supermarket.core.measuring.figures import count_columns, has_drifted
from lilong.platforms.supermarket.core.measuring.method import METRICS, PROFILE, build_spec, make_plan
from lilong.platforms.supermarket.core.measuring.report import ReportRefused, check_report
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.protocol.spec_rules import find_spec_problems
from tests.measuring import SMALL, forge_rows, run_program, seal, with_nonce

CORE = Shape(unit=Unit.CORE, cores=1, memory_mib=4096)
FP32 = METRICS["gemm_fp32"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return run_program(folder=tmp_path_factory.mktemp("job"))


def check(content, *, plan=SMALL, seed=7):
    return check_report(content=content, plan=plan, chance=Random(seed))


def test_what_the_machine_has_is_measured_and_of_the_rest_it_says_why_not(report):
    findings = check(report)

    assert {"gemm_fp32", "gemm_fp64", "memory", "disk_write", "disk_read"} <= set(findings.spreads)
    assert set(findings.not_measured) == {"tokens", "interconnect"} - set(findings.spreads)
    assert findings.not_measured["tokens"].startswith("ModuleNotFoundError")
    for spread in findings.spreads.values():
        assert 0 < spread.lowest <= spread.micro <= spread.highest
        assert spread.count == SMALL.repetitions


def test_a_report_of_another_measurement_is_refused(report):
    with pytest.raises(ReportRefused, match="nonce of another"):
        check(report, plan=with_nonce("00" * 32))


def test_an_old_report_under_the_new_nonce_is_refused(report):
    fresh = "00" * 32
    old = seal({**json.loads(report), "nonce": fresh})
    with pytest.raises(ReportRefused, match="not what multiplying gives"):
        check(old, plan=with_nonce(fresh))


def lose_row(said):
    rows = said["measured"]["gemm_fp64"]["proof"]["rows"]
    rows[0] = rows[0][:3]


def swap_rows(said):
    rows = said["measured"]["gemm_fp64"]["proof"]["rows"]
    rows[0], rows[1] = rows[1], rows[0]


TAMPERED = {
    "products that nobody computed": (forge_rows, "not what multiplying gives"),
    "a row that was not opened": (lose_row, "not proven"),
    "rows of another repetition": (swap_rows, "not what multiplying gives"),
    "no proof": (lambda said: said["measured"]["gemm_fp32"].pop("proof"), "not proven"),
    "smaller matrices": (lambda said: said["measured"]["gemm_fp32"].update(size=32), "not proven"),
    "fewer repetitions": (lambda said: said["measured"]["memory"]["spent_ns"].pop(), "not what was asked for"),
    "no time at all": (lambda said: said["measured"]["memory"].update(spent_ns=[0, 0, 0]), "not in the form"),
    "no work": (lambda said: said["measured"]["memory"].pop("bytes"), "how much work"),
    "another model": (
        lambda said: said["measured"].update(tokens={"spent_ns": [1, 1, 1], "tokens": [9, 9, 9], "model": "tiny"}),
        "another model",
    ),
    "a metric that nobody knows": (
        lambda said: said["measured"].update(magic={"spent_ns": [1, 1, 1], "bytes": 1}),
        "not what was asked for",
    ),
    "a field that nobody knows": (lambda said: said.update(more=1), "not in the form"),
    "half of a proof": (
        lambda said: said["measured"]["gemm_fp32"]["proof"].update(commitments=["AAAA"] * 3),
        "not in the form",
    ),
}


@pytest.mark.parametrize("name", sorted(TAMPERED))
def test_a_tampered_report_is_refused(report, name):
    tamper, why = TAMPERED[name]
    said = json.loads(report)
    tamper(said)
    with pytest.raises(ReportRefused, match=why):
        check(seal(said))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"schema": "lilong.measurement/1"}'])
def test_what_is_no_report_is_refused(content):
    with pytest.raises(ReportRefused, match="not in the form"):
        check(content)


def test_a_result_that_was_changed_afterwards_does_not_fit_its_digest(report):
    said = json.loads(report)
    said["measured"]["memory"]["spent_ns"] = [1, 1, 1]
    with pytest.raises(ReportRefused, match="digest"):
        check(json.dumps(said).encode())


def test_rounded_products_are_believed_in_the_precision_that_rounds_so_alone(report):
    said = json.loads(report)
    said["measured"] = {"gemm_bf16": said["measured"]["gemm_fp32"]}
    with pytest.raises(ReportRefused, match="not what multiplying gives"):
        check(seal(said))  # each precision has matrices of its own


@pytest.mark.parametrize(("accelerator", "memory_mib"), [("", 64), ("", 4096), ("h100-sxm5", 2048), ("mi300x", 65_536)])
@pytest.mark.parametrize("profiles", [("python3",), ("python3", PROFILE)])
def test_every_offer_can_be_asked_to_be_measured(accelerator, memory_mib, profiles):
    unit = Unit.ACCELERATOR if accelerator else Unit.CORE
    shape = Shape(unit=unit, cores=1, memory_mib=memory_mib)
    plan = make_plan(nonce="ab" * 32, accelerator=accelerator, shape=shape)
    spec = build_spec(
        plan=plan,
        accelerator=accelerator,
        shape=shape,
        program_sha256="0" * 64,
        profiles=profiles,
        requirements=["numpy>=2,<3"],
    )

    assert find_spec_problems(spec) == []
    assert spec.environment.profile == (PROFILE if PROFILE in profiles else "python3")
    assert bool(spec.environment.requirements) is (PROFILE not in profiles)


@pytest.mark.parametrize(
    ("micro", "earlier", "drifted"),
    [
        (100, [], False),
        (115, [100], False),
        (116, [100], True),
        (84, [100, 100, 300], True),
        (200, [200, 201, 199, 100, 100], False),
    ],
)
def test_drift_is_what_differs_from_the_middle_of_earlier_results_by_more_than_the_bound(micro, earlier, drifted):
    assert has_drifted(metric=FP32, micro=micro, earlier=earlier) is drifted


def test_what_was_not_measured_has_no_number_at_all():
    assert set(count_columns(hour_uc=1_000_000, results={}).values()) == {None}
