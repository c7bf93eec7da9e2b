"""The witness as an auditor runs it: a process of its own, spoken to over HTTP."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lilong.protocol.checkpoint import VerifierKey, list_signers, parse_note, parse_verifier_key
from tests.witnessed_log import FORKED, LOG_KEY, TRUE


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "lilong.cli.main", "witness", *map(str, arguments)]


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def running_witness(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, VerifierKey]]:
    process = subprocess.Popen(
        command("serve", "--home", folder, "--bind", "127.0.0.1:0"), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url, key = process.stdout.readline().split()
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            yield process, client, parse_verifier_key(key)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "witness"
    made = call("init", "--home", home, "--name", "auditor.example/w1")
    assert made.returncode == 0
    assert call("trust", "--home", home, LOG_KEY.verifier.text).returncode == 0
    return home


def test_a_witness_cosigns_over_http_and_tells_its_last_head(folder):
    with running_witness(folder) as (_, client, key):
        answer = client.post("/add-checkpoint", content=TRUE.request(0, 12))
        last = client.get("/last-head", params={"origin": LOG_KEY.name})

    note = parse_note(TRUE.note(12) + answer.text)
    assert answer.status_code == 200
    assert list_signers(note=note, keys=[key]) == [key]
    assert last.text == note.text


@pytest.mark.parametrize(
    ("request_text", "status", "body"),
    [
        (TRUE.request(0, 15), 409, "12\n"),
        (TRUE.request(12, 9), 400, "smaller\n"),
        (FORKED.request(12, 12), 409, "other_root_seen\n"),
        (FORKED.request(12, 20), 422, "inconsistent\n"),
        ("nonsense", 400, "malformed\n"),
        (TRUE.request(12, 15).replace("hub.example", "hub.elsewhere"), 404, "unknown_log\n"),
        (TRUE.request(12, 15).replace("\n15\n", "\n16\n"), 403, "unsigned\n"),
    ],
)
def test_a_refusal_has_the_status_of_the_specification(folder, request_text, status, body):
    with running_witness(folder) as (_, client, _):
        client.post("/add-checkpoint", content=TRUE.request(0, 12)).raise_for_status()
        answer = client.post("/add-checkpoint", content=request_text)

    assert (answer.status_code, answer.text) == (status, body)
    assert (answer.headers["content-type"] == "text/x.tlog.size") == (body == "12\n")


def test_what_was_cosigned_before_a_kill_is_known_after_it(folder):
    for size in (5, 12, 20):
        with running_witness(folder) as (process, client, _):
            told = client.post("/add-checkpoint", content=TRUE.request(0, 1))
            old_size = int(told.text) if told.status_code == 409 else 1
            client.post("/add-checkpoint", content=TRUE.request(old_size, size)).raise_for_status()
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)

    with running_witness(folder) as (_, client, _):
        assert client.post("/add-checkpoint", content=TRUE.request(12, 25)).text == "20\n"


def test_a_witness_stops_when_asked_to(folder):
    with running_witness(folder) as (process, _, _):
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=20) == 0


def test_a_second_process_on_the_same_memory_is_refused(folder):
    with running_witness(folder):
        second = call("serve", "--home", folder, "--bind", "127.0.0.1:0")
        trusting = call("trust", "--home", folder, LOG_KEY.verifier.text)

    assert (second.returncode, trusting.returncode) == (6, 6)
    assert "This witness is running already" in second.stderr


def test_an_address_that_is_taken_is_said_plainly(folder, tmp_path):
    other = tmp_path / "other"
    call("init", "--home", other, "--name", "auditor.example/w2")
    with running_witness(folder) as (_, client, _):
        second = call("serve", "--home", other, "--bind", f"127.0.0.1:{client.base_url.port}")

    assert second.returncode == 6
    assert "witness.address_taken" in second.stderr


def test_an_oversized_request_is_refused_unread(folder):
    with running_witness(folder) as (_, client, _):
        answer = client.post("/add-checkpoint", content="x" * 70_000)
        after = client.post("/add-checkpoint", content=TRUE.request(0, 12))

    assert (answer.status_code, answer.headers["connection"], after.status_code) == (413, "close", 200)


def test_the_body_of_a_request_to_nowhere_is_not_read_as_the_next_request(folder):
    with running_witness(folder) as (_, client, _):
        smuggled = "GET /key HTTP/1.1\r\nHost: w\r\n\r\n"
        with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as connection:
            head = f"POST /nowhere HTTP/1.1\r\nHost: w\r\nContent-Length: {len(smuggled)}\r\n\r\n"
            connection.sendall((head + smuggled).encode())
            connection.shutdown(socket.SHUT_WR)
            answers = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"404" in answers.splitlines()[0]


def test_a_lost_memory_is_said_plainly(folder):
    (folder / "memory.json").unlink()

    answer = call("serve", "--home", folder, "--bind", "127.0.0.1:0")

    assert answer.returncode == 6
    assert "The witness has lost its memory" in answer.stderr
    assert "Traceback" not in answer.stderr
