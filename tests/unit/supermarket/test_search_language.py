import pytest

from lilong.platforms.supermarket.core.search.fields import FIELDS
from lilong.platforms.supermarket.core.search.language import (
    DEPTH_MAX,
    EVERYTHING,
    TEXT_MAX,
    Comparison,
    Not,
    Op,
    SearchInvalid,
    every,
    parse,
    some,
)
from tests.architecture.house import REPOSITORY


def test_the_reference_names_every_field_in_both_languages():
    page = (REPOSITORY / "docs/reference/search.md").read_text(encoding="utf-8")

    for field in FIELDS.values():
        assert f"| `{field.name}` | {' '.join(field.aliases)} |" in page


def test_the_examples_of_the_reference_are_read():
    page = (REPOSITORY / "docs/reference/search.md").read_text(encoding="utf-8")
    examples = page.split("```text\n")[1].split("```")[0].splitlines()

    assert len(examples) == 4
    for example in examples:
        assert parse(example) != EVERYTHING


CHEAP = Comparison("price", Op.LT, 3_000_000)
ONE_FREE, TWO_FREE = Comparison("free", Op.GE, 1), Comparison("free", Op.GE, 2)
NOW = Comparison("start", Op.EQ, "now")
H100, ASCEND = Comparison("accelerator", Op.EQ, "h100-sxm5"), Comparison("accelerator", Op.EQ, "ascend-910b")


@pytest.mark.parametrize("text", ["(" * TEXT_MAX, "not " * 125, "(" * (DEPTH_MAX + 2) + "free=1"])
def test_what_is_nested_deep_is_refused(text):
    with pytest.raises(SearchInvalid, match="deep"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("", EVERYTHING),
        ("accelerator = h100 price < 3", every(H100, CHEAP)),
        ("加速卡＝「昇腾 910b」 且 价格＜3", every(ASCEND, CHEAP)),
        ("free>=1 or free>=2 price<3", some(ONE_FREE, every(TWO_FREE, CHEAP))),
        ("(free>=1 or start=now) price<3", every(some(ONE_FREE, NOW), CHEAP)),
        ("not price < 3", Not(CHEAP)),
        ("memory ≥ 0.5 TiB", Comparison("memory", Op.GE, 524_288)),
        ('name ~ "big \\"one\\""', Comparison("name", Op.HAS, 'big "one"')),
        ("jurisdiction not in (cn, 美国)", Not(parse("jurisdiction in (CN, US)"))),
    ],
)
def test_a_search_means_what_it_says(text, search):
    assert parse(text) == search


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("pirce < 3", 0, "no such field. Nearest: price"),
        ("price < 3 vendor = nvidai", 19, "Nearest: NVIDIA"),
        ("accelerator = MI300", 14, "Nearest: mi300x"),
        ("accelerator < h100", 12, "compared by =, !=, ~"),
        ("price ~ 3", 6, "compared by =, !=, <, <=, >, >="),
        ("price 3", 6, "After price comes"),
        ("price < cheap", 8, "such as 2.5"),
        ("memory >= 64", 10, "MiB, GiB or TiB"),
        ("memory >= 0.3MiB", 10, "whole MiB"),
        ("free >= 1.5", 8, "whole number"),
        ("(free >= 1", 10, "A bracket is open"),
        ("free >= 1)", 9, "closes nothing"),
        ("start in now", 9, "A list follows"),
        ("start in (now", 13, "ends with `)`"),
        ('name = "big', 7, "quotes are not closed"),
        ("provider = lane", 11, "Nearest: Lane Cloud"),
        ("供应 = x", 0, "Nearest: 供应方"),
        ("price < 3 and", 13, "A field is expected"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_is_near(text, at, why):
    with pytest.raises(SearchInvalid) as raised:
        parse(text, known={"provider": ["Lane Cloud"]})

    assert raised.value.facts["at"] == at
    assert why in raised.value.detail
