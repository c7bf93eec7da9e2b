"""The system-call filter of the sandbox as BPF bytes for `bwrap --seccomp`: what a job never needs is refused.

Denied calls fail with EPERM, so programs see an ordinary error. Numbers are those of the Linux syscall tables.
"""

import struct

EPERM, ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24

_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_SOCKET_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink: others know no namespaces or serve the host

_COMMON = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 443)  # io_uring, new mount calls, pidfd_getfd, quota

_DENIED = {
    # ptrace, process_vm_*, kcmp, keys, bpf, perf, userfaultfd, mounts, chroot, unshare, setns, modules, kexec, reboot,
    # swap, acct, quota, file handles, clocks, syslog, io ports, personality, page moves, vhangup, ldt, affinity
    "x86_64": (
        101, 310, 311, 312, 248, 249, 250, 321, 298, 323, 165, 166, 155, 161, 272, 308, 175, 313, 176, 246, 320, 169,
        167, 168, 163, 179, 303, 304, 164, 227, 159, 305, 103, 172, 173, 135, 212, 279, 256, 153, 180, 154, 203,
    ),
    "aarch64": (
        117, 270, 271, 272, 217, 218, 219, 280, 241, 282, 40, 39, 41, 51, 97, 268, 105, 273, 106, 104, 294, 142,
        224, 225, 89, 60, 264, 265, 170, 112, 171, 266, 116, 92, 18, 239, 238, 58, 42, 122,
    ),
}  # fmt: skip
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE3 = 435

MACHINES = tuple(_DENIED)


def build_filter(*, machine: str) -> bytes:
    """Return the compiled filter for `machine` as `uname -m` names it; raises KeyError for one of which none is known.

    >>> len(build_filter(machine="x86_64")) % 8
    0
    """
    refuse = (_RETURN, 0, 0, _ERRNO | EPERM)
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in (*_DENIED[machine], *_COMMON):
        program += [(_JUMP_EQUAL, 0, 1, number), refuse]
    program += [(_JUMP_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | ENOSYS)]  # glibc falls back to clone
    program += _when(
        number=_CLONE[machine],
        then=[(_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_JUMP_SET, 0, 1, _NEW_NAMESPACES), refuse, (_RETURN, 0, 0, _ALLOW)],
    )
    injections = [step for code in _TERMINAL_INJECTION for step in ((_JUMP_EQUAL, 0, 1, code), refuse)]
    program += _when(
        number=_IOCTL[machine],
        then=[(_LOAD, 0, 0, _SECOND_ARGUMENT_AT), *injections, (_RETURN, 0, 0, _ALLOW)],
    )
    families = [step for family in _SOCKET_FAMILIES for step in ((_JUMP_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW))]
    program += _when(number=_SOCKET[machine], then=[(_LOAD, 0, 0, _FIRST_ARGUMENT_AT), *families, refuse])
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *step) for step in program)


def _when(*, number: int, then: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(_JUMP_EQUAL, 0, len(then), number), *then]
