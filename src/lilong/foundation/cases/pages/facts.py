"""The facts of a case as rows: a label, and a value that the template knows how to write."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lilong.common.canonical import Json
from lilong.foundation.cases.pages.words import CODES, FACTS

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Form(StrEnum):
    """How a value is written."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    ID = "id"
    ORDER = "order"
    ORGANISATION_KIND = "organisation kind"
    RULE = "rule"


FORMS = {
    "kind": Form.ORGANISATION_KIND,
    "order_id": Form.ORDER,
    "proposal_id": Form.RULE,
    "standing": Form.ORGANISATION_KIND,
}
"""How the values of these facts are written."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One row."""

    label: "_StrOrPromise"
    form: Form
    value: object


def read_facts(facts: Mapping[str, Json]) -> Iterator[Fact]:
    """Yield the rows of a case's facts; those of a request inside an appeal follow as rows of their own."""
    for name, value in facts.items():
        label = FACTS.get(name, name)
        if isinstance(value, Mapping):
            yield from read_facts(value)
        elif isinstance(value, int):
            yield Fact(label, Form.MONEY if name.endswith("_uc") else Form.COUNT, value)
        elif name in FORMS:
            yield Fact(label, FORMS[name], value)
        elif name in CODES:
            yield Fact(label, Form.TEXT, CODES[name].get(str(value), value))
        elif isinstance(value, list):
            for each in value:
                yield Fact(label, Form.ID, each)
        elif value not in (None, ""):
            yield Fact(label, Form.TEXT, value if isinstance(value, str) else json.dumps(value))
