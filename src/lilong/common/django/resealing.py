"""Tables with sealed texts: which key opens each text, and all of them sealed anew with the hub's first key."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from lilong.common.django.sealing import Opener, read_keys

BATCH = 200


@dataclass(frozen=True, slots=True)
class SealedTable:
    """Where sealed texts of one kind lie.

    columns: of text, bytes or JSON; an empty one holds none. keys: of JSON objects, under which a sealed text lies, or
    a list of them.
    """

    kind: str
    model: type[models.Model]
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ()


def count_openers(*, table: SealedTable) -> Counter[Opener]:
    """Return how many texts of a table each key opens. Linear in its rows, and writes nothing."""
    ring, counts = read_keys(), Counter[Opener]()

    def look(sealed: str) -> str:
        counts[ring.find_opener(sealed)] += 1
        return sealed

    rows = _rows(table).values_list(*table.columns)
    for row in rows.iterator(chunk_size=BATCH):
        for value in row:
            _change(value, table.keys, look)
    return counts


def reseal(*, table: SealedTable) -> Counter[Opener]:
    """Seal anew what only an older key opens; return how many texts each key opened before.

    Each batch is a transaction of its own. Whoever is killed leaves every text open to the hub, and the next call goes
    on: what the first key opens stays as it is, and what no key opens does, too.
    """
    ring, counts = read_keys(), Counter[Opener]()

    def renew(sealed: str) -> str:
        opener = ring.find_opener(sealed)
        counts[opener] += 1
        return ring.reseal(sealed) if opener is Opener.OLDER else sealed

    last = None
    while True:
        with transaction.atomic():
            rows = _rows(table).select_for_update().order_by("pk")
            batch = list((rows if last is None else rows.filter(pk__gt=last))[:BATCH])
            for row in batch:
                old = {column: getattr(row, column) for column in table.columns}
                new = {column: _change(value, table.keys, renew) for column, value in old.items()}
                if new != old:
                    _rows(table).filter(pk=row.pk).update(**new)
        if len(batch) < BATCH:
            return counts
        last = batch[-1].pk


def _rows(table: SealedTable) -> models.QuerySet[Any]:
    return models.QuerySet(table.model)


def _change(value: Any, keys: tuple[str, ...], change: Callable[[str], str]) -> Any:  # noqa: ANN401 - a column's value
    """Return a column's value with every sealed text in it changed."""
    if not value:
        return value
    if isinstance(value, dict):
        return {key: _change(part, keys, change) if key in keys else part for key, part in value.items()}
    if isinstance(value, list):
        return [_change(part, keys, change) for part in value]
    if isinstance(value, str):
        return change(value)
    return change(bytes(value).decode()).encode()
