"""Many rounds of a crash test on several hubs at once, each in its own folder: rounds mostly wait for things to return.

A hub that is in trouble tells so at once; in the end counts, coverage and what was left over are printed.
"""

import secrets
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.crash.rounds import CrashStage, Round, summarise

TOLD_EVERY = 20
ROUNDS = 500

Open = Callable[[Path, int], AbstractContextManager[CrashStage]]


def kill_a_hub(open_stage: Open, name: int, count: int, seed: int) -> tuple[list[Round], list[str], list[str]]:
    """Run `count` rounds on a hub of its own; return them, every commit point passed, and what was left over."""
    rounds: list[Round] = []
    with telling_at_once(name), tempfile.TemporaryDirectory() as folder, open_stage(Path(folder), seed) as stage:
        stage.run_calm()
        while len(rounds) < count:
            for fault in stage.choose_faults(min(TOLD_EVERY, count - len(rounds))):
                rounds.append(stage.run(fault))
                if rounds[-1].troubles:
                    print(rounds[-1], flush=True)
            print(f"hub {name}: {len(rounds)} rounds done", flush=True)
        return rounds, stage.list_points(), stage.find_leftovers()


@contextmanager
def telling_at_once(name: int) -> Iterator[None]:
    """Print why a hub's rounds could not go on, for the others may still take an hour."""
    try:
        yield
    except BaseException:
        print(f"hub {name}: {traceback.format_exc()}", flush=True)
        raise


def run_rounds(open_stage: Open, *, hubs: int) -> int:
    """Run the rounds that the command line asks for; return 1 if anything was wrong."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(10**6)
    print(f"{count} rounds on {hubs} hubs, seed {seed}", flush=True)
    shares = [count // hubs + (number < count % hubs) for number in range(hubs)]
    with ProcessPoolExecutor(hubs, mp_context=get_context("spawn")) as executor:
        seeds = [seed + number for number in range(hubs)]
        told = list(executor.map(partial(kill_a_hub, open_stage), range(hubs), shares, seeds))
    rounds = [one for of_hub, _, _ in told for one in of_hub]
    points = {point for _, passed, _ in told for point in passed}
    leftovers = [one for _, _, left in told for one in left]
    print(summarise(rounds, points=sorted(points)))
    print(f"left over: {leftovers or 'nothing'}")
    return 1 if leftovers or any(one.troubles for one in rounds) else 0
