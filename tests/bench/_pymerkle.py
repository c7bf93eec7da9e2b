"""The reference of the record's bench: pymerkle's tree in SQLite. Run alone, in an environment of its own: it is GPL.

Arguments: file of the database, leaves, rounds. Prints rates per second as JSON.
"""

import json
import random
import sys
import time
from collections.abc import Callable

from pymerkle import SqliteTree  # type: ignore[import-not-found]


def rate(act: Callable[[int], object], arguments: list[int]) -> float:
    """Return how often per second `act` was done."""
    started_s = time.perf_counter()
    for argument in arguments:
        act(argument)
    return len(arguments) / (time.perf_counter() - started_s)


def main() -> None:
    """Fill the tree, then append and prove one by one."""
    path, leaves, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tree = SqliteTree(path, algorithm="sha256")
    tree.append_entries([b"leaf %d" % number for number in range(leaves)])
    chance = random.Random(7)
    places = [chance.randrange(1, leaves) for _ in range(rounds)]
    tree.prove_inclusion(1, leaves)
    rates = {
        "append": rate(lambda number: tree.append_entry(b"more %d" % number), places),
        "inclusion": rate(lambda number: tree.prove_inclusion(number, leaves), places),
        "consistency": rate(lambda number: tree.prove_consistency(number, leaves), places),
    }
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
