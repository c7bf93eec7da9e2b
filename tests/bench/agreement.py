"""Bill, accounting and the wrapper's clock of many jobs: `python -m tests.bench.agreement [JOBS [SEED]]`.

Ends with 1 when they disagree by more than they may without a dispute.
"""

import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.slurm.agreement import running_agreement
from tests.slurm.clocks import Kind, summarise

JOBS = 200
PARTS_IN_200 = {
    Kind.PLAIN: 80,
    Kind.SUSPENDED: 40,
    Kind.CANCELLED: 25,
    Kind.REQUEUED: 25,
    Kind.REMOVED: 10,
    Kind.NODE_FAILED: 20,
}


def main() -> int:
    """Run the jobs; print the counts and the largest differences per kind, and every disagreement."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(10**6)
    counts = {kind: -(-part * jobs // JOBS) for kind, part in PARTS_IN_200.items()}
    print(f"{sum(counts.values())} jobs, seed {seed}", flush=True)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, running_agreement(Path(folder), seed=seed) as agreement:
        clocks = agreement.run(counts)
    troubles = [trouble for one in clocks if (trouble := one.find_trouble())]
    print(summarise(clocks))
    print("\n".join(troubles) or "No two clocks are further apart than they may be.")
    print(f"{time.monotonic() - began_s:.0f} s")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
