"""The demo from an installed wheel, in one folder: interrupted on a machine without bubblewrap, then played to its end.

Its numbers, its files, what an outsider finds in them, and the model that came out.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lilong.cli.demo.proof import recompute_charge, verify_record
from tests.architecture.house import REPOSITORY
from tests.machines import install_wheel, make_path_without

SEED = 5
EXPORTS = ("transfers.csv", "usage.csv", "quote.json", "record.json")
JOB = REPOSITORY / "src" / "lilong" / "cli" / "demo" / "job"
KEYS = {
    "quoted_uc", "max_uc", "voucher_uc", "metered_s", "attempts", "charged_uc", "refunded_uc", "run_state", "metric",
    "artefacts", "ledger_balanced", "record_verified",
}  # fmt: skip

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Stopped:
    """An interrupted demo: how it ended, all it said, who was left, and how a second one in its folder ended."""

    exit_code: int
    seconds: float
    said: str
    left: Sequence[str]
    second: "subprocess.CompletedProcess[str]"


@dataclass(frozen=True, slots=True)
class Played:
    """What a demo printed, and its folder."""

    home: Path
    told: dict[str, object]

    def count(self, name: str) -> int:
        return int(str(self.told[name]))


@pytest.fixture(scope="module")
def lilong(tmp_path_factory) -> str:
    return str(install_wheel(folder=tmp_path_factory.mktemp("wheel"), extra="hub"))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("深い 目录 with spaces") / ("long-" * 15 + "demo")
    return folder


@pytest.fixture(scope="module")
def stopped(lilong, home) -> Stopped:
    path = make_path_without("bwrap", folder=home.parent / "bin")
    command = [lilong, "demo", "--home", str(home)]
    said: list[str] = []
    with subprocess.Popen(
        command,
        env=os.environ | {"PATH": path},
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.parent,
        start_new_session=True,
    ) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            said.append(line)
            if "│" in line:
                break
        second = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, timeout=60)
        began_s = time.monotonic()
        os.killpg(demo.pid, signal.SIGINT)
        said.append(demo.communicate(timeout=60)[1])
    seconds = time.monotonic() - began_s
    return Stopped(demo.returncode, seconds, "".join(said), list_processes_of(home), second)


@pytest.fixture(scope="module")
def played(lilong, home, stopped) -> Played:
    command = [lilong, "demo", "--home", str(home), "--json", "--seed", str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, cwd=home.parent)
    assert done.returncode == 0, done.stderr[-8000:]
    return Played(home=home, told=json.loads(done.stdout))


def list_processes_of(home: Path) -> list[str]:
    """Return the command line of every process whose command, environment, folder or program names `home`."""
    asked = str(home).encode()
    return [
        _read(process / "cmdline").replace(b"\0", b" ").decode(errors="replace")
        for process in Path("/proc").glob("[0-9]*")
        if asked in b"".join((_read(process / "cmdline"), _read(process / "environ"), _link(process / "cwd")))
    ]


def test_without_bubblewrap_it_says_loudly_that_its_own_job_runs_as_trusted_and_others_are_refused(stopped):
    warnings = [line for line in stopped.said.splitlines() if line.startswith("! ")]

    assert any("bubblewrap is missing" in line and "apt-get install bubblewrap" in line for line in warnings)
    assert any("Untrusted jobs are refused here" in line for line in warnings)
    assert any("runs unprotected, as `isolation: trusted`" in line for line in warnings)


def test_ctrl_c_ends_it_and_all_that_belongs_to_it_within_seconds(stopped):
    assert stopped.exit_code == 130, stopped.said
    assert stopped.seconds < 30
    assert "The demo was interrupted" in stopped.said
    assert "Next: Play it again" in stopped.said
    assert "Traceback" not in stopped.said
    assert stopped.left == []


def test_a_folder_in_which_a_demo_plays_is_refused(stopped):
    assert stopped.second.returncode == 6
    assert json.loads(stopped.second.stderr)["code"] == "demo.folder_taken"


def test_it_prints_what_was_promised_and_the_sums_are_right(played):
    assert set(played.told) >= KEYS
    assert played.told["run_state"] == "succeeded"
    assert played.told["attempts"] == 2
    assert played.told["ledger_balanced"] is True
    assert played.told["record_verified"] is True
    assert played.count("charged_uc") + played.count("refunded_uc") == played.count("max_uc")
    assert 0 < played.count("voucher_uc") <= played.count("charged_uc")


def test_the_charge_is_the_price_times_the_billable_seconds_of_both_attempts(played):
    quote = json.loads((played.home / "quote.json").read_bytes())
    usage = list(csv.DictReader((played.home / "usage.csv").read_text().splitlines()))
    offer = quote["offers"][0]
    billable_ms = [int(row["billable_ms"]) for row in usage]

    assert offer["price_uc"] == played.told["price_uc"]
    assert sum(billable_ms) / 1000 == played.told["metered_s"]
    assert (
        sum(offer["price_uc"] * offer["units"] * part // 1_000_000 for part in billable_ms) == played.told["charged_uc"]
    )


def test_nothing_of_it_runs_afterwards(played):
    assert list_processes_of(played.home) == []


@pytest.mark.parametrize("name", EXPORTS)
def test_one_changed_byte_anywhere_is_refused_by_at_least_one_script(played, name, tmp_path):
    for file in (*EXPORTS, "keys.json"):
        (tmp_path / file).write_bytes((played.home / file).read_bytes())
    assert recompute_charge(tmp_path).accepted
    assert verify_record(tmp_path).accepted
    content = (tmp_path / name).read_bytes()
    places = sorted({0, len(content) // 3, len(content) // 2, len(content) - 2, len(content) - 1})

    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / name).write_bytes(changed)
        assert not (recompute_charge(tmp_path).accepted and verify_record(tmp_path).accepted), (name, place)


def test_the_interrupted_run_ends_with_the_metric_of_an_uninterrupted_one(played, tmp_path):
    environment = tmp_path / "environment"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    python = "/usr/bin/python3"
    subprocess.run([*uv, "venv", "--python", python, str(environment)], check=True)
    interpreter = str(environment / "bin" / "python")
    subprocess.run([*uv, "pip", "install", "--python", interpreter, "scikit-learn==1.7.2"], check=True)
    told = played.told["metrics"]
    assert isinstance(told, dict)
    plain = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    subprocess.run(
        [interpreter, str(JOB / "train.py"), "--epochs", str(int(told["epochs"]))], cwd=tmp_path, env=plain, check=True
    )
    alone = json.loads((tmp_path / "metrics.json").read_bytes())

    assert (alone["accuracy"], alone["loss"]) == (told["accuracy"], told["loss"])
    assert (alone["resumes"], told["resumes"]) == (0, 1)
    assert played.told["metric"] == alone["accuracy"]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _link(path: Path) -> bytes:
    try:
        return bytes(path.readlink())
    except OSError:
        return b""
