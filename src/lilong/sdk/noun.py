"""What every noun of the SDK shares: addresses, answers as frozen models, lists that load page after page."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from lilong.common.errors import LilongError
from lilong.sdk.transport import Transport

PAGE_LIMIT = 200


class AnswerUnreadable(LilongError):
    """The other side is no hub, or one of a version that this program does not understand."""

    code = "sdk.answer_unreadable"
    title = "The hub's answer cannot be read"
    status = 502
    next_step = "Check the address; if it is the right one, bring this program up to the hub's version."


class Answer(BaseModel):
    """Base of all that a hub answers: immutable, and fields of newer hubs are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Created(Answer):
    """The id of what was created."""

    id: str


A = TypeVar("A", bound=Answer)


class _Page(Answer):
    items: tuple[JsonValue, ...]
    next_cursor: str | None = None


def address(*parts: str) -> str:
    """Return the address of something in the API; parts may hold any character.

    >>> address("orders", "ord_1/../x", "cancel")
    '/api/v1/orders/ord_1%2F..%2Fx/cancel'
    """
    return "/".join(("/api/v1", *(quote(part, safe="") for part in parts)))


def read_answer(content: bytes, *, kind: type[A]) -> A:
    """Return the answer as a model; raises AnswerUnreadable."""
    with _unreadable_named(kind):
        return kind.model_validate_json(content)


@contextmanager
def _unreadable_named(kind: type[Answer]) -> Generator[None]:
    try:
        yield
    except ValidationError as error:
        raise AnswerUnreadable(detail=f"It is no {kind.__name__}.") from error


class Noun:
    """Base of the nouns: the few ways in which they call the hub."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _get(self, kind: type[A], path: str, *, params: Mapping[str, str | int] | None = None) -> A:
        return read_answer(self._transport.request("GET", path, params=params).content, kind=kind)

    def _post(self, kind: type[A], path: str, *, json: Mapping[str, object] | None = None) -> A:
        return read_answer(self._transport.request("POST", path, json=json).content, kind=kind)

    def _create(self, path: str, *, json: Mapping[str, object]) -> str:
        return self._post(Created, path, json=json).id

    def _do(self, method: str, path: str, *, json: Mapping[str, object] | None = None) -> None:
        self._transport.request(method, path, json=json)

    def _list(self, kind: type[A], path: str, *, params: Mapping[str, str] | None = None) -> Iterator[A]:
        cursor: str | None = None
        while True:
            asked: dict[str, str | int] = {
                **(params or {}),
                "limit": PAGE_LIMIT,
                **({"cursor": cursor} if cursor else {}),
            }
            page = self._get(_Page, path, params=asked)
            with _unreadable_named(kind):
                items = [kind.model_validate(item) for item in page.items]
            yield from items
            cursor = page.next_cursor
            if cursor is None:
                return
