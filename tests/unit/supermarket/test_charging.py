import pytest

from lilong.platforms.supermarket.core.charging import choose_charge_code


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], ""),
        ([("prg_a", 0)], ""),
        ([("prg_a", 1)], "prg_a"),
        ([("prg_a", 0), ("prg_b", 1)], "prg_b"),
        ([("prg_a", 2), ("prg_b", 1)], "prg_a"),
        ([("prg_a", 1), ("prg_b", 2), ("prg_c", 1)], "prg_b"),
        ([("prg_b", 2), ("prg_a", 2)], "prg_b"),
        ([("prg_c", 1), ("prg_b", 2), ("prg_a", 2)], "prg_b"),
    ],
)
def test_a_run_is_charged_under_what_carries_most_and_of_equals_under_what_pays_first(parts, code):
    assert choose_charge_code(parts=parts) == code
