"""Find the device files of the accelerators that Slurm gave to a rank, and what else a sandbox shows to use them.

Standard library only and Python 3.6 syntax: a part of the wrapper. Slurm tells a step numbers, and a number is a place
in the order in which the node's slurmd lists the files of its accelerators, not what a file is called: for
`File=/dev/nvidia[2-9]` number 0 is /dev/nvidia2. So slurmd is asked. Nothing that a job can write is read. Whatever
does not fit is an error: a device too many would be a neighbour's.
"""

import os
import re
import stat
import subprocess
from typing import Any, Dict, List, Mapping

ASK_S = 30.0
FILES_MAX = 1024

_RECORD = re.compile(r"\bGres Name=(\S+) Type=\S+ Count=(\d+) .*?\bFile=(\S+)")
_NUMBERS = re.compile(r"[0-9]{1,4}(?:,[0-9]{1,4})*")
_PART = re.compile(r"(?:[^,\[\]]|\[[^\[\]]*\])+")
_RANGES = re.compile(r"([^\[\]]*)\[([0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*)\]([^\[\]]*)")


class DevicesUnfit(OSError):
    """What Slurm gave to the rank cannot be shown to its sandbox; says why."""


def find_devices(wanted: Dict[str, Any], environment: Mapping[str, str]) -> List[str]:
    """Return the device files that Slurm gave to this rank; raises DevicesUnfit, also when the node lacks one.

    wanted: the table `accelerators` of launch.json. environment: what Slurm has told this step.
    """
    numbers = parse_numbers(environment.get(wanted["numbers_from"], ""))
    if len(numbers) != wanted["count"]:
        said = environment.get(wanted["numbers_from"], "nothing")[:80]
        raise DevicesUnfit(
            "The job has %d accelerators of this node, and Slurm says %s in %s."
            % (wanted["count"], said, wanted["numbers_from"])
        )
    node = environment.get("SLURMD_NODENAME", "")
    listed = parse_listed(_ask_slurmd(wanted["slurmd"], node), gres=wanted["gres"])
    for path in [path for files in listed for path in files]:
        require_device(path, node=node)  # where one is missing, slurmd may have numbered the others anew
    if max(numbers) >= len(listed):
        raise DevicesUnfit(
            "slurmd lists %d accelerators on node %s, and the job was given number %d: "
            "name each by File= in gres.conf, without AutoDetect." % (len(listed), node, max(numbers))
        )
    return [path for number in numbers for path in listed[number]]


def parse_numbers(text: str) -> List[int]:
    """Return the numbers that Slurm gave, none where the text is not plainly a list of different ones.

    >>> parse_numbers("3,4"), parse_numbers("0-1"), parse_numbers("2,2")
    ([3, 4], [], [])
    """
    numbers = [int(number) for number in text.split(",")] if _NUMBERS.fullmatch(text) else []
    return numbers if len(set(numbers)) == len(numbers) else []


def parse_listed(text: str, *, gres: str) -> List[List[str]]:
    """Return the files of each number, from what `slurmd -G` says; raises DevicesUnfit where it names no files.

    A record of one accelerator may have several files, all of them its own.

    >>> parse_listed("Gres Name=gpu Type=h100 Count=2 Index=0 ID=7 File=/dev/nvidia[2-3] (null)", gres="gpu")
    [['/dev/nvidia2'], ['/dev/nvidia3']]
    """
    listed: List[List[str]] = []
    for name, count, value in _RECORD.findall(text):
        if name != gres:
            continue
        files = expand_files(value)
        if int(count) == 1:
            listed.append(files)
        elif int(count) == len(files):
            listed += [[path] for path in files]
        else:
            raise DevicesUnfit("slurmd lists %s accelerators as %s." % (count, value[:200]))
    paths = [path for files in listed for path in files]
    if not paths or len(set(paths)) != len(paths):
        raise DevicesUnfit("slurmd does not list a file for each accelerator: %s" % text.strip()[-200:])
    return listed


def expand_files(value: str) -> List[str]:
    """Return the paths of a File= of gres.conf in their order; raises DevicesUnfit for what is no list of paths.

    >>> expand_files("/dev/dri/renderD[128-129,131],/dev/x")
    ['/dev/dri/renderD128', '/dev/dri/renderD129', '/dev/dri/renderD131', '/dev/x']
    """
    paths: List[str] = []
    parts = _PART.findall(value)
    if not parts or ",".join(parts) != value:
        raise DevicesUnfit("%s is no list of files." % value[:200])
    for part in parts:
        match = _RANGES.fullmatch(part)
        paths += [part] if match is None else ["".join((match[1], n, match[3])) for n in _expand_ranges(match[2])]
        if len(paths) > FILES_MAX:
            break
    if len(paths) > FILES_MAX or not all(path.startswith("/") and "[" not in path for path in paths):
        raise DevicesUnfit("%s is no list of files." % value[:200])
    return paths


def _expand_ranges(text: str) -> List[str]:
    numbers: List[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        size = int(last or first) - int(first) + 1
        if size > FILES_MAX:
            raise DevicesUnfit("[%s] names too many files." % text[:200])
        numbers += ["%0*d" % (len(first), int(first) + step) for step in range(size)]
    return numbers


def require_device(path: str, *, node: str) -> None:
    """Raise DevicesUnfit unless the path leads to a device."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        raise DevicesUnfit("Node %s has no %s, which Slurm gives out there." % (node, path)) from None
    if not stat.S_ISCHR(mode):
        raise DevicesUnfit("On node %s %s is no device." % (node, path))


def find_shown(wanted: Dict[str, Any], devices: List[str], *, node: str) -> List[str]:
    """Return all device files that the sandbox shows: the rank's own, and those that all share.

    Raises DevicesUnfit where the node lacks one that is not optional.
    """
    for path in wanted["common"]:
        require_device(path, node=node)
    for path in wanted["read_only"]:
        if not os.path.exists(path):
            raise DevicesUnfit("Node %s has no %s, which accelerators need there." % (node, path))
    return [*devices, *wanted["common"], *(path for path in wanted["optional"] if os.path.exists(path))]


def build_binds(shown: List[str], read_only: List[str]) -> List[str]:
    """Return bubblewrap's options for them.

    >>> build_binds(["/dev/nvidia2"], ["/opt/driver"])
    ['--dev-bind', '/dev/nvidia2', '/dev/nvidia2', '--ro-bind', '/opt/driver', '/opt/driver']
    """
    devices = [part for path in shown for part in ("--dev-bind", path, path)]
    return devices + [part for path in read_only for part in ("--ro-bind", path, path)]


def _ask_slurmd(slurmd: str, node: str) -> str:
    try:
        said = subprocess.run(
            [slurmd, "-G", "-N", node],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ASK_S,
            check=False,
            restore_signals=False,  # 24.11 writes to the node's steps first, and dies of SIGPIPE where one is ending
        )
    except subprocess.TimeoutExpired as error:  # it waits for files that are not there
        words = (error.output or b"").decode("utf-8", "replace").strip()[-200:]
        raise DevicesUnfit("`%s -G` does not answer on node %s: %s" % (slurmd, node, words)) from error
    except OSError as error:
        raise DevicesUnfit("`%s -G` cannot be asked on node %s: %s" % (slurmd, node, error)) from error
    text = said.stdout.decode("utf-8", "replace")
    if said.returncode:
        raise DevicesUnfit("`%s -G` ends with %d on node %s: %s" % (slurmd, said.returncode, node, text.strip()[-200:]))
    return text
