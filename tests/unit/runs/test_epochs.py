from lilong.foundation.runs.core.epochs import Standing, Superseded, decide_epoch, raise_epoch
from tests.unit.runs.attempts import NOON

SERVED = Standing(epoch=5, boot_id="a", past_boot_ids=("z",))


def follow(before: Standing, *, boot_id: str, epoch: int) -> Standing:
    after = decide_epoch(before, boot_id=boot_id, epoch=epoch)
    assert isinstance(after, Standing)
    return after


def test_the_agent_that_serves_keeps_its_epoch():
    assert decide_epoch(SERVED, boot_id="a", epoch=5) == SERVED


def test_a_new_agent_makes_the_one_before_it_stale():
    followed = follow(SERVED, boot_id="b", epoch=5)

    assert followed == Standing(epoch=6, boot_id="b", past_boot_ids=("z", "a"))
    assert decide_epoch(followed, boot_id="a", epoch=5) == Superseded()


def test_the_same_first_word_told_twice_raises_the_epoch_once():
    once = follow(SERVED, boot_id="b", epoch=5)

    assert decide_epoch(once, boot_id="b", epoch=5) == once


def test_a_hub_that_was_restored_goes_above_the_epoch_it_hears():
    assert follow(SERVED, boot_id="a", epoch=9).epoch == 10
    assert follow(SERVED, boot_id="b", epoch=9).epoch == 10


def test_an_agent_that_starts_from_nothing_is_told_the_epoch():
    assert follow(SERVED, boot_id="a", epoch=0).epoch == 5


def test_a_raised_epoch_is_above_the_old_one_whatever_the_clock_says():
    assert raise_epoch(2**40, now=NOON) == 2**40 + 1
