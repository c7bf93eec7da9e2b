import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilong.foundation.objects.core.ranges import ByteRange, RangeUnsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-", ByteRange(0, 10)),
        ("bytes=9-9", ByteRange(9, 10)),
        ("bytes=3-99999", ByteRange(3, 10)),
        ("bytes=-99", ByteRange(0, 10)),
        ("BYTES = 1-2 ", ByteRange(1, 3)),
    ],
)
def test_one_range_is_cut_to_the_object(header, found):
    assert parse_range(header, size_bytes=10) == found


@pytest.mark.parametrize(
    "header", ["", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=0x1-2"]
)
def test_a_header_that_asks_for_no_single_range_is_ignored(header):
    assert parse_range(header, size_bytes=10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(header):
    with pytest.raises(RangeUnsatisfiable) as refused:
        parse_range(header, size_bytes=10)
    assert refused.value.facts == {"size_bytes": 10}


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}", fullmatch=True), st.integers(0, 10**15))
def test_whatever_the_header_a_range_lies_within_the_object(header, size_bytes):
    try:
        found = parse_range(header, size_bytes=size_bytes)
    except RangeUnsatisfiable:
        return
    assert found is None or 0 <= found.start < found.end <= size_bytes
