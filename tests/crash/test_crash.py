"""Whatever is killed, at whatever moment: the order settles, nothing is charged twice, nothing is left over.

A slice in every run, drawn from a seed that is printed; `make bench-crash` does 500 rounds.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.crash.rounds import running_crash_stage, summarise

ROUNDS = 12


@pytest.mark.timeout(900)
def test_orders_settle_right_whatever_is_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seed = int(os.environ.get("LILONG_CRASH_SEED", "0")) or secrets.randbelow(10**6)
    with running_crash_stage(tmp_path, seed) as stage:
        calm = stage.run_calm()
        rounds = [stage.run(fault) for fault in stage.choose_faults(ROUNDS)]
        leftovers = stage.find_leftovers()
        with capsys.disabled():
            print(f"\ncrash slice, seed {seed}: {summarise(rounds, points=stage.list_points())}")  # noqa: T201

    assert not calm.troubles
    assert not [(one.fault, one.troubles) for one in rounds if one.troubles]
    assert not leftovers
