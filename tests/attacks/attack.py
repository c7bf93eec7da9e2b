"""What hostile work tries, one function each: `python3 attack.py NAME ARGUMENT…` prints `worked` or why not.

Standard library only: it runs as a member's script. Everything is bounded, for it is also run without a sandbox.
"""

import ctypes
import fcntl
import os
import socket
import sys
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
MACHINE = os.uname().machine
ADD_KEY = {"x86_64": 248, "aarch64": 217}[MACHINE]
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
CLONE_NEWUSER = 0x10000000
MIB = 1024 * 1024
LINGER_S = 20


def pause(seconds):
    """Do nothing for a while: hostile work has no condition to wait for."""
    threading.Event().wait(seconds)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def fork_bomb(count):
    for _ in range(int(count)):
        if os.fork() == 0:
            pause(LINGER_S)
            os._exit(0)


def fork_for_ever():
    while True:
        try:
            if os.fork() == 0:
                pause(LINGER_S)
                os._exit(0)
        except OSError:
            pause(0.01)


def take_memory(mib):
    taken = bytearray(int(mib) * MIB)
    for at in range(0, len(taken), 4096):
        taken[at] = 1
    pause(1)


def take_shared_memory(mib):
    with Path("/dev/shm/taken").open("wb") as file:
        file.writelines(bytes(MIB) for _ in range(int(mib)))
    Path("/dev/shm/taken").unlink()


def fill_disk(mib):
    for number in range(int(mib)):
        Path(f"fill-{number}").write_bytes(os.urandom(MIB))
    pause(3)


def fill_disk_unseen(mib):
    with Path("unseen").open("wb", buffering=0) as file:
        Path("unseen").unlink()
        file.writelines(os.urandom(MIB) for _ in range(int(mib)))
        pause(3)


def nest_folders(depth):
    for _ in range(int(depth)):
        os.mkdir("d")
        os.chdir("d")
    pause(3)


def read_file(path):
    if not Path(path).read_bytes():
        raise OSError("empty")


def write_file(path):
    with Path(path).open("ab") as file:
        file.write(b"x")


def connect(port):
    socket.create_connection(("127.0.0.1", int(port)), timeout=3).close()


def open_packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def kill_process(pid):
    os.kill(int(pid), 0)
    os.kill(int(pid), 9)


def trace_process(pid):
    check(LIBC.ptrace(PTRACE_ATTACH, int(pid), 0, 0))
    LIBC.ptrace(PTRACE_DETACH, int(pid), 0, 0)


def find_process(mark):
    mine = str(os.getpid())
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # one that has just ended says nothing of the others
            if entry.name.isdigit() and entry.name != mine and mark.encode() in (entry / "cmdline").read_bytes():
                return
    raise OSError("no such process in sight")


def become_root():
    os.setuid(0)
    read_file("/etc/shadow")


def inject_terminal():
    _, slave = os.openpty()
    if os.fork() == 0:
        os.setsid()
        try:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            fcntl.ioctl(slave, termios.TIOCSTI, b"x")
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.wait()[1]:
        raise OSError("the terminal took nothing")


def add_key():
    check(LIBC.syscall(ADD_KEY, b"user", b"lilong-attack", b"x", 1, -1))


def mount_folder():
    os.makedirs("mounted", exist_ok=True)
    check(LIBC.mount(b"none", b"mounted", b"tmpfs", 0, None))
    LIBC.umount(b"mounted")


def make_namespace():
    check(LIBC.unshare(CLONE_NEWUSER))


FORGERIES = (
    '{"started_at": "0001-01-01T00:00:00+23:59", "elapsed_ms": 1}',
    '{"started_at": "yesterday", "elapsed_ms": 1}',
    '{"started_at": "2026-01-01T00:00:00Z", "elapsed_ms": 99999999999999999999}',
    '{"started_at": "2026-01-01T00:00:00Z", "elapsed_ms": 1, "exit_code": 99999999999}',
    '{"cause": ["a", "list"], "ended_at": 7, "native_id": "not a number"}',
    "[" * 60_000,
    "\0\x7f",
)


def forge_facts(folder):
    """Write into what the job's own wrapper writes, where both are one user."""
    for text in FORGERIES:
        for name in ("exit.json", "usage.json", "shim.json"):
            Path(folder, name).write_text(text, encoding="utf-8")
            pause(0.2)
    for name in ("log", "reports.jsonl"):
        with Path(folder, name).open("ab") as file:
            file.write(b"x" * 5 * MIB)


def linger(path):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            deadline = time.monotonic() + LINGER_S
            while time.monotonic() < deadline:
                Path(path).touch()
                pause(0.05)
        os._exit(0)
    pause(0.2)


def main():
    try:
        globals()[sys.argv[1]](*sys.argv[2:])
    except (OSError, MemoryError) as error:
        print(f"refused: {error}", flush=True)
    else:
        print("worked", flush=True)


if __name__ == "__main__":
    main()
