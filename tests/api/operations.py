"""Every operation of the people's API, as the assembled API knows it, and a way to call it for real."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from django.conf import settings
from django.http.response import HttpResponseBase
from django.test import Client
from ninja import NinjaAPI
from pydantic import BaseModel

from lilong.common.django.routes import Rule, read_rule
from lilong.web.api import agent_api, api

NOBODYS_ID = "run_" + "0" * 32


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address, with its rule."""

    method: str
    path: str
    rule: Rule
    bodies: tuple[type[BaseModel], ...]

    @property
    def has_body(self) -> bool:
        """Whether it reads JSON."""
        return bool(self.bodies)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def list_operations(*, of: NinjaAPI = api, prefix: str = "/api/v1") -> list[Operation]:
    """Return all operations, by address; raises RuleMissing for one that does not say who may call it."""
    return sorted(_walk(of, prefix), key=str)


def list_agent_operations() -> list[Operation]:
    """Return all operations under /agent/v1."""
    return list_operations(of=agent_api, prefix="/agent/v1")


def call(
    operation: Operation,
    *,
    token: str = "",
    session: str = "",
    parts: dict[str, str] | None = None,
    body: object = None,
    query: str = "",
) -> HttpResponseBase:
    """Call it, by a token or with the cookie of a session.

    Ids in the address that `parts` does not name are of the right form and nobody's.
    """
    path = re.sub(r"{(?:\w+:)?(\w+)}", lambda match: (parts or {}).get(match[1], NOBODYS_ID), operation.path)
    sent = json.dumps(body if body is not None else {}) if operation.has_body else ""
    client = Client(raise_request_exception=True)
    if session:
        client.cookies[settings.SESSION_COOKIE_NAME] = session
    return client.generic(
        operation.method,
        f"{path}?{query}" if query else path,
        data=sent,
        content_type="application/json" if operation.has_body else "application/octet-stream",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller is told, but for the id of the request."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def ask(operation: Operation, *, token: str, parts: dict[str, str], body: object = None, query: str = "") -> Answer:
    """Call it and read the answer to its end."""
    with closing(call(operation, token=token, parts=parts, body=body, query=query)) as response:
        headers = {name: value for name, value in response.items() if name != "X-Request-Id"}
        return Answer(status=response.status_code, headers=headers, content=b"".join(response))


def forge(real: str) -> str:
    """Return an id of the form of `real` that nobody has."""
    beginning, underscore, rest = real.rpartition("_")
    return beginning + underscore + "0" * len(rest)


def _walk(of: NinjaAPI, prefix: str) -> Iterator[Operation]:
    for router in of._get_bound_routers():  # noqa: SLF001 - ninja offers no other list of what it serves
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    yield Operation(
                        method=method,
                        path=prefix + path,
                        rule=read_rule(operation.openapi_extra),
                        bodies=tuple(model for model in operation.models if model.__ninja_param_source__ == "body"),
                    )
