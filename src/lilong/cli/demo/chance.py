"""What the demo leaves to chance, drawn from one seed: the price, and when which process is killed."""

import random
from dataclasses import dataclass

SEEDS = 2**31
PRICE_UC = (20_000_000, 40_000_000)
AGENT_KILL_S = (7.0, 16.0)
SHIM_KILL_S = (26.0, 40.0)


@dataclass(frozen=True, slots=True)
class Chance:
    """The draw of one demo. price_uc: for 1 000 core-seconds; the times count from the job's first line of log."""

    seed: int
    price_uc: int
    agent_killed_after_s: float
    shim_killed_after_s: float


def draw_chance(seed: int) -> Chance:
    """Return the draw that belongs to a seed.

    >>> draw_chance(7) == draw_chance(7) != draw_chance(8)
    True
    """
    dice = random.Random(seed)  # noqa: S311 - a play, not a secret
    return Chance(
        seed=seed,
        price_uc=dice.randint(*PRICE_UC),
        agent_killed_after_s=round(dice.uniform(*AGENT_KILL_S), 1),
        shim_killed_after_s=round(dice.uniform(*SHIM_KILL_S), 1),
    )
