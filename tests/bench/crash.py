"""500 rounds of the crash test: `python -m tests.bench.crash [ROUNDS [SEED]]`. Ends with 1 if anything was wrong."""

import sys

from tests.bench._crashes import run_rounds
from tests.crash.rounds import running_crash_stage

HUBS = 5

if __name__ == "__main__":
    sys.exit(run_rounds(running_crash_stage, hubs=HUBS))
