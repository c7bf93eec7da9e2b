"""The users' half of the bench of pages: one process plays all of them over HTTP. Reads a Load, prints the Visits."""

import asyncio
import json
import ssl
import sys
import time
from contextlib import AsyncExitStack
from random import Random
from typing import NamedTuple

import httpx
from pydantic import BaseModel

THINK_S = (1.0, 3.0)
TIMEOUT_S = 60


class User(BaseModel):
    """Somebody who is signed in by this session, and the addresses of each page that this person looks at."""

    session: str
    paths: dict[str, list[str]]


class Load(BaseModel):
    """What to do; visits of the first `warm_up_s` seconds do not count."""

    url: str
    cookie: str
    users: list[User]
    warm_up_s: float
    lasts_s: float
    seed: int


class Visit(NamedTuple):
    """One page that somebody looked at: the id of the request, and the time from its start to the last byte."""

    page: str
    request_id: str
    took_ms: float


async def play(load: Load) -> list[Visit]:
    """Return the visits that count."""
    visits: list[Visit] = []
    tls = ssl.create_default_context()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        began_s = time.monotonic()
        for number, user in enumerate(load.users):
            client = httpx.AsyncClient(
                base_url=load.url,
                cookies={load.cookie: user.session},
                headers={"Accept": "text/html"},
                verify=tls,
                timeout=TIMEOUT_S,
                trust_env=False,
            )
            await stack.enter_async_context(client)
            group.create_task(_look_around(client, load, number, began_s=began_s, visits=visits))
        await asyncio.sleep(load.warm_up_s)
        print("begin", flush=True)
        await asyncio.sleep(load.lasts_s)
        print("end", flush=True)
    return visits


async def _look_around(
    client: httpx.AsyncClient, load: Load, number: int, *, began_s: float, visits: list[Visit]
) -> None:
    """Let one user open one page after the other, in an order that the seed decides; raises on any other answer."""
    dice = Random(f"{load.seed} {number}")
    paths = load.users[number].paths
    count_from_s = began_s + load.warm_up_s
    for visited in range(sys.maxsize):
        await asyncio.sleep(dice.uniform(*THINK_S))
        starts_s = time.monotonic()
        if starts_s > count_from_s + load.lasts_s:
            return
        page = dice.choice(sorted(paths))
        request_id = f"user-{number}-{visited}"
        response = await client.get(dice.choice(paths[page]), headers={"X-Request-Id": request_id})
        took_ms = (time.monotonic() - starts_s) * 1000
        if response.status_code != httpx.codes.OK or not response.text.rstrip().endswith("</html>"):
            raise RuntimeError(f"{response.url} is answered with {response.status_code}: {response.text[:500]}")
        if starts_s >= count_from_s:
            visits.append(Visit(page, request_id, took_ms))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play(Load.model_validate_json(sys.stdin.read())))))
