"""Bill, accounting and the wrapper agree on every job, whatever happened to it, or the order is in dispute.

Some jobs of each kind in every run, by a seed that is printed; `make bench-agreement` does two hundred.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.slurm.agreement import running_agreement
from tests.slurm.clocks import Kind, summarise

COUNTS = {
    Kind.PLAIN: 7,
    Kind.SUSPENDED: 4,
    Kind.CANCELLED: 3,
    Kind.REQUEUED: 2,
    Kind.REMOVED: 2,
    Kind.NODE_FAILED: 2,
}
MORE_ROUNDS = 3  # for kinds that came to no job: each of theirs had ended before it could happen to it


@pytest.mark.timeout(900)
def test_all_clocks_agree_on_every_attempt_or_it_is_in_dispute(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seed = int(os.environ.get("LILONG_AGREEMENT_SEED", "0")) or secrets.randbelow(10**6)
    with running_agreement(tmp_path, seed=seed) as agreement:
        clocks = agreement.run(COUNTS)
        for _ in range(MORE_ROUNDS):
            missed = set(COUNTS) - {one.kind for one in clocks}
            clocks += agreement.run(dict.fromkeys(sorted(missed), 2))
    with capsys.disabled():
        print(f"\nagreement, seed {seed}\n{summarise(clocks)}")  # noqa: T201

    assert not [trouble for one in clocks if (trouble := one.find_trouble())]
    assert {one.kind for one in clocks} >= set(COUNTS)
