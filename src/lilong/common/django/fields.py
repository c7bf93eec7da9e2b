"""Types of fields for every `api.py`: texts and numbers that both databases can hold, so that none answers with 500.

Request bodies inherit from `RequestBody`: an unknown field is refused, not ignored.
"""

from typing import Annotated, TypeAlias

from ninja import Path, Query, Schema
from pydantic import ConfigDict, Field, StringConstraints

from lilong.common.paging import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX

INTEGER_MAX = 2**63 - 1

Id: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,5}_[0-9a-f]{32}$")]
"""An id of ours in a body, such as `run_` and 32 hexadecimal digits."""

IdInPath: TypeAlias = Annotated[str, Path(min_length=1, max_length=64)]
"""An id in the address: any short text, so that a wrong one answers 404 like a foreign one."""

Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Reason: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Reference: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Email: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=254, pattern=r"^[^@\s]{1,64}@[^@\s]{1,189}$"),
]
AmountUc: TypeAlias = Annotated[int, Field(ge=0, le=INTEGER_MAX, strict=True)]
PositiveUc: TypeAlias = Annotated[int, Field(ge=1, le=INTEGER_MAX, strict=True)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=INTEGER_MAX)]

CursorInQuery: TypeAlias = Annotated[str | None, Query(max_length=400)]
LimitInQuery: TypeAlias = Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX)]


class RequestBody(Schema):
    """Base of the bodies that callers send."""

    model_config = ConfigDict(extra="forbid")


__all__ = [
    "INTEGER_MAX",
    "PAGE_LIMIT_DEFAULT",
    "AmountUc",
    "Count",
    "CursorInQuery",
    "Email",
    "Id",
    "IdInPath",
    "LimitInQuery",
    "Name",
    "PositiveUc",
    "Reason",
    "Reference",
    "RequestBody",
    "Sha256",
]
