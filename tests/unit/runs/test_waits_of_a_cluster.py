"""Estimates on a slice of the held-out weeks of a real cluster's trace; `make bench-waits` has all of them."""

from statistics import fmean

from tests.bench.waits import guess_waits, lose
from tests.traces import find_trace, read_waits


def test_estimates_beat_the_last_wait_and_the_median_and_keep_what_they_say():
    path = find_trace()
    assert path is not None
    guesses = list(guess_waits(read_waits(path), first=7_400, count=700))
    losses = {name: sum(lose(guesses, name=name)) for name in ("ours", "last", "median")}
    within = [fmean(guess.waited_ms <= guess.said_ms["ours"][place] for guess in guesses) for place in (0, 1)]

    assert losses["ours"] < 0.9 * min(losses["last"], losses["median"])
    assert 0.4 < within[0] < 0.6
    assert 0.85 < within[1] < 0.95
