"""Under which charge code an order runs, so that engines can limit what public money pays for."""

from collections.abc import Sequence


def choose_charge_code(*, parts: Sequence[tuple[str, int]]) -> str:
    """Return the programme that carries the largest part of a hold; of equal ones the first, empty where none pays.

    parts: programme and its micro-credits of the hold, in the order in which they pay; the wallet's is left out.

    >>> choose_charge_code(parts=[("prg_a", 2), ("prg_b", 3), ("prg_c", 3)])
    'prg_b'
    """
    programme_id, part_uc = max(parts, key=lambda part: part[1], default=("", 0))
    return programme_id if part_uc else ""
