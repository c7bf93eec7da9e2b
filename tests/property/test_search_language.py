from hypothesis import example, given
from hypothesis import strategies as st

from lilong.platforms.supermarket.core.search.language import TEXT_MAX, Comparison, Op, SearchInvalid, parse, write
from tests.searching import any_search

WORDS = "price accelerator 内存 价格 name start = < ≥ ！= ~ ( ） , and or not in 且 h100 now none 3 1.2.3 64GiB 64 GiB"
FRAGMENTS = st.sampled_from((*WORDS.split(), '"', "“", '"a b"', "'", "\\", "\x00", "İ"))


@given(any_search())
@example(Comparison("memory", Op.LE, 10**18 - 1))
@example(Comparison("measured_bf16", Op.LE, 10**18 - 1))
def test_a_search_that_is_written_is_read_back(search):
    text = write(search)

    assert len(text) > TEXT_MAX or parse(text) == search


@example("memory > 999999999999999999TiB")
@example("memory > 999999999TiB")
@given(st.text(max_size=60) | st.lists(FRAGMENTS, max_size=25).map(" ".join) | st.lists(FRAGMENTS).map("".join))
def test_any_text_is_read_or_refused_with_the_place_of_the_mistake(text):
    try:
        search = parse(text)
    except SearchInvalid as refused:
        refusal = refused
    else:
        assert parse(write(search)) == search
        return

    at, length = (int(refusal.facts[name]) for name in ("at", "length"))
    assert 0 <= at <= at + length <= len(text)
    assert refusal.detail
