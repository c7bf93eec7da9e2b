"""The disk under a running hub fills up to the last byte: a clear refusal, nothing lost, and on it goes with room.

The disk is a real one of its own, in memory; to mount it takes root.
"""

import errno
import subprocess
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from lilong.cli.demo.stage import Stage, Terms
from lilong.common.canonical import sha256_hex
from lilong.common.money import UC_PER_CREDIT
from tests.crash.buyer import Buyer
from tests.hub import keeping_agent, running_hub
from tests.polling import wait_until

SECONDS = 120
DISK_BYTES = 64 * 1024 * 1024
REQUESTS_MAX = 300
SECRET_CHARACTERS = 16_000


@pytest.mark.timeout(600)
def test_a_hub_on_a_full_disk_refuses_clearly_loses_nothing_and_goes_on_when_there_is_room(tmp_path: Path, disk: Path):
    terms = Terms(wallet_uc=10_000 * UC_PER_CREDIT)
    with (
        keeping_agent(tmp_path / "machine") as agent_home,
        running_hub(disk / "hub", settings={"storage_reserve_bytes": 0}) as hub,
        Stage(hub=hub, terms=terms, agent_home=agent_home) as stage,
    ):
        stage.set_up()
        buyer = Buyer(stage=stage, folder=tmp_path / "orders")
        order = buyer.place(gated=True)
        buyer.wait_until_running(order)
        processes = {name: hub.find_pid(name) for name in ("web", "worker")}
        token = stage.engineer.tokens.create(name="bare", scopes=("read", "run", "manage")).secret
        with httpx.Client(
            base_url=f"{hub.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        ) as bare:
            begun = begin_upload(bare, REQUESTS_MAX).json()
            fill(disk / "filler")
            unfinished = go_on(bare, begun, REQUESTS_MAX)
            kept, refused = ask_until_refused(lambda number: keep_secret(bare, number))
            stored, unstored = ask_until_refused(lambda number: store(bare, number))
            for answer in (refused, unstored, unfinished):
                problem = answer.json()
                assert problem["code"] in {"hub.storage_full", "objects.storage_full"}
                assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
                assert problem["retryable"]
                assert "space" in problem["next_step"] or "room" in problem["next_step"]
            assert stage.engineer.orders.get(order.id).order.settled_at is None
            attempt = agent_home / "spool" / buyer.list_attempts(order)[-1]
            buyer.let_go(order)
            wait_until((attempt / "ended.json").exists, within_s=SECONDS)
            (disk / "filler").unlink()

            assert keep_secret(bare, len(kept)).is_success
            assert store(bare, len(stored)).is_success
            assert go_on(bare, begun, REQUESTS_MAX).is_success
            buyer.wait_until_settled(order)
            later = buyer.place()
            buyer.wait_until_settled(later)

            assert not buyer.find_troubles(order) + buyer.find_troubles(later)
            names = {secret["name"] for secret in bare.get("/secrets", params={"limit": 100}).json()["items"]}
            assert names == {f"S_{number}" for number in range(len(kept) + 1)}
            for number in (*range(len(stored) + 1), REQUESTS_MAX):
                assert stage.engineer.objects.read(sha256_hex(content(number))) == content(number)
            assert not buyer.find_leftovers()
            assert {name: hub.find_pid(name) for name in ("web", "worker")} == processes


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk is refused here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(path: Path) -> None:
    """Take all the room of a disk, to the last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - it is the way out of the loop


def ask_until_refused(ask: Callable[[int], httpx.Response]) -> tuple[list[httpx.Response], httpx.Response]:
    """Ask with 0, 1, 2 and so on, and return the answers and the refusal that ends them."""
    answers: list[httpx.Response] = []
    for number in range(REQUESTS_MAX):
        answer = ask(number)
        if answer.is_error:
            return answers, answer
        answers.append(answer)
    raise AssertionError(f"a full disk took {REQUESTS_MAX} requests")


def keep_secret(bare: httpx.Client, number: int) -> httpx.Response:
    """Keep a secret that takes several pages of the database."""
    return bare.put(f"/secrets/S_{number}", json={"value": "x" * SECRET_CHARACTERS})


def store(bare: httpx.Client, number: int) -> httpx.Response:
    """Store an object of a megabyte."""
    begun = begin_upload(bare, number)
    return begun if begun.is_error else go_on(bare, begun.json(), number)


def begin_upload(bare: httpx.Client, number: int) -> httpx.Response:
    """Announce an object."""
    sent = content(number)
    return bare.post("/uploads", json={"sha256": sha256_hex(sent), "size_bytes": len(sent)})


def go_on(bare: httpx.Client, upload: dict[str, Any], number: int) -> httpx.Response:
    """Send the bytes of an object that was announced."""
    return bare.put(f"/uploads/{upload['upload_id']}", params={"offset": upload["offset"]}, content=content(number))


def content(number: int) -> bytes:
    """Return a megabyte that no other number has."""
    return number.to_bytes(4) * (256 * 1024)
