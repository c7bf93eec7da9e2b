"""500 rounds of the crash test: `python -m tests.bench.crash [ROUNDS [SEED]]`. Ends with 1 if anything was wrong."""

import secrets
import sys
import tempfile
from pathlib import Path

from tests.crash.rounds import Round, running_crash_stage, summarise


def main() -> int:
    """Run the rounds, print each that was in trouble, then counts and coverage."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(10**6)
    rounds: list[Round] = []
    print(f"{count} rounds, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, running_crash_stage(Path(folder), seed=seed) as stage:
        stage.run_calm()
        while len(rounds) < count:
            for fault in stage.choose_faults(min(50, count - len(rounds))):
                rounds.append(stage.run(fault))
                if rounds[-1].troubles:
                    print(rounds[-1], flush=True)
            print(f"{len(rounds)} done", flush=True)
        leftovers = stage.find_leftovers()
        print(summarise(rounds, points=stage.list_points()))
    print(f"left over: {leftovers or 'nothing'}")
    return 1 if leftovers or any(one.troubles for one in rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
