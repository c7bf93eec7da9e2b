"""500 rounds of the crash test: `python -m tests.bench.crash [ROUNDS [SEED]]`. Ends with 1 if anything was wrong.

Rounds mostly wait for processes to come back, so several hubs are killed at once, each in its own folder.
"""

import secrets
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.crash.rounds import Round, running_crash_stage, summarise

HUBS = 5
TOLD_EVERY = 20


def kill_a_hub(name: int, count: int, seed: int) -> tuple[list[Round], list[str], list[str]]:
    """Run `count` rounds on a hub of its own; return them, every commit point passed, and what was left over."""
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder, running_crash_stage(Path(folder), seed=seed) as stage:
        stage.run_calm()
        while len(rounds) < count:
            for fault in stage.choose_faults(min(TOLD_EVERY, count - len(rounds))):
                rounds.append(stage.run(fault))
                if rounds[-1].troubles:
                    print(rounds[-1], flush=True)
            print(f"hub {name}: {len(rounds)} rounds done", flush=True)
        return rounds, stage.list_points(), stage.find_leftovers()


def main() -> int:
    """Run the rounds, print each that was in trouble, then counts and coverage."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(10**6)
    print(f"{count} rounds on {HUBS} hubs, seed {seed}", flush=True)
    shares = [count // HUBS + (number < count % HUBS) for number in range(HUBS)]
    with ProcessPoolExecutor(HUBS, mp_context=get_context("spawn")) as executor:
        seeds = [seed + number for number in range(HUBS)]
        told = list(executor.map(kill_a_hub, range(HUBS), shares, seeds))
    rounds = [one for of_hub, _, _ in told for one in of_hub]
    points = {point for _, passed, _ in told for point in passed}
    leftovers = [one for _, _, left in told for one in left]
    print(summarise(rounds, points=sorted(points)))
    print(f"left over: {leftovers or 'nothing'}")
    return 1 if leftovers or any(one.troubles for one in rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
