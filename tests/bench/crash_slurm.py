"""500 rounds of the crash test with real clusters as pools: `python -m tests.bench.crash_slurm [ROUNDS [SEED]]`.

Each hub has a cluster of each Slurm version. Ends with 1 if anything was wrong.
"""

import sys

from tests.bench._crashes import run_rounds
from tests.crash.slurm_rounds import running_slurm_crash_stage

HUBS = 3

if __name__ == "__main__":
    sys.exit(run_rounds(running_slurm_crash_stage, hubs=HUBS))
