"""What a member may leave at work/out of an attempt. Each is made as root, and given to the member where it can be.

A trap is a function of the attempt's folder, a folder of another member and one of the member outside of all attempts,
both with a file `a`; it returns the path below the attempt by which who follows names gets out, None where nobody does.
"""

import os
import socket


def link_to_a_system_file(attempt, _hidden, _own):
    (attempt / "work/out").symlink_to("/etc/passwd")
    return "work/out"


def link_to_a_closed_file(attempt, _hidden, _own):
    (attempt / "work/out").symlink_to("/etc/shadow")
    return "work/out"


def link_to_another_member(attempt, hidden, _own):
    (attempt / "work/out").symlink_to(hidden)
    return "work/out/a"


def link_to_own_files(attempt, _hidden, own):
    (attempt / "work/out").symlink_to(own)
    return "work/out/a"


def link_on_the_way(attempt, _hidden, own):
    (attempt / "work").rmdir()
    (attempt / "work").symlink_to(own.parent)
    own.rename(own.with_name("out"))
    return "work/out/a"


def attempt_that_is_a_link(attempt, _hidden, own):
    (attempt / "work").rmdir()
    attempt.rmdir()
    attempt.symlink_to(own.parent)
    own.rename(own.with_name("work"))
    return "work/a"


def hard_link(attempt, hidden, _own):
    os.link(hidden / "a", attempt / "work/out")
    return "work/out"


def fifo(attempt, _hidden, _own):
    os.mkfifo(attempt / "work/out")


def listening_socket(attempt, _hidden, _own):
    work = os.open(attempt / "work", os.O_RDONLY)  # a socket's path has room for 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{work}/out")
    os.close(work)


def device(attempt, _hidden, _own):
    os.mknod(attempt / "work/out", 0o600 | 0o020000, os.makedev(1, 5))


TRAPS = [
    link_to_a_system_file,
    link_to_a_closed_file,
    link_to_another_member,
    link_to_own_files,
    link_on_the_way,
    attempt_that_is_a_link,
    hard_link,
    fifo,
    listening_socket,
    device,
]
