import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from lilong.common.django.gate import FairGate
from tests.polling import wait_until

HOLD = """
import sys
from pathlib import Path
from lilong.common.django.gate import FairGate
print("asking", flush=True)
FairGate(Path(sys.argv[1])).enter()
print("inside", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def gate_file(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def start_process(gate_file: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(gate_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    return process


def end_process(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def tickets_drawn(gate_file: Path) -> int:
    return int.from_bytes(gate_file.read_bytes()[:8], "little") - 7 if gate_file.exists() else 0


def wait_for_tickets(gate_file: Path, count: int) -> None:
    wait_until(lambda: tickets_drawn(gate_file) == count, within_s=10)


def test_writers_pass_in_the_order_in_which_they_came(gate_file: Path):
    gate, order = FairGate(gate_file), []
    first = gate.enter()

    def write(number: int) -> None:
        passage = gate.enter()
        order.append(number)
        gate.leave(passage)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_for_tickets(gate_file, number + 2)
    gate.leave(first)
    for thread in threads:
        thread.join()

    assert order == list(range(8))


def test_a_writer_killed_inside_lets_the_next_one_in(gate_file: Path):
    process = start_process(gate_file)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    os.kill(process.pid, signal.SIGKILL)

    FairGate(gate_file).leave(FairGate(gate_file).enter())

    end_process(process)


def test_a_writer_killed_while_it_waits_neither_blocks_nor_lets_anybody_in_early(gate_file: Path):
    gate, entered = FairGate(gate_file), threading.Event()
    first = gate.enter()
    waiting = start_process(gate_file)
    wait_for_tickets(gate_file, 2)

    def write() -> None:
        passage = gate.enter()
        entered.set()
        gate.leave(passage)

    last = threading.Thread(target=write)
    last.start()
    wait_for_tickets(gate_file, 3)
    end_process(waiting)

    assert not entered.wait(0.3)
    gate.leave(first)
    last.join()
    assert entered.is_set()


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_write_outside_of_a_transaction_is_refused():
    from lilong.foundation.outbox.models import Lease  # noqa: PLC0415 - needs Django's registry

    with pytest.raises(TransactionManagementError, match="inside transaction"):
        Lease.objects.filter(name="none").update(holder="nobody")


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_library_that_writes_one_statement_to_its_own_table_waits_at_the_gate():
    from django.contrib.sessions.models import Session  # noqa: PLC0415 - needs Django's registry

    gate_file = Path(f"{connection.settings_dict['NAME']}.gate")
    gate = FairGate(gate_file)
    before, written = gate.enter(), threading.Event()
    drawn = tickets_drawn(gate_file)

    def write() -> None:
        Session.objects.filter(session_key="none").delete()
        connection.close()
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    wait_for_tickets(gate_file, drawn + 1)
    assert not written.is_set()
    gate.leave(before)
    writer.join()
    gate.leave(gate.enter())


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_the_gate_is_left_whether_the_transaction_commits_or_fails():
    with transaction.atomic():
        pass
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        raise ZeroDivisionError

    gate = FairGate(Path(f"{connection.settings_dict['NAME']}.gate"))
    gate.leave(gate.enter())
