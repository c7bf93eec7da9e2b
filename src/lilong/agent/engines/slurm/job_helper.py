"""Keep the files and jobs of one member's user for the agent, which is another user and never root.

Standard library only and Python 3.6 syntax: `lilong agent install-helper` writes a copy that root owns and one line of
sudoers, by which the agent may start that copy as users of one group, without arguments. One request comes on standard
input: a line of JSON, for `put` then the contents. One answer goes to standard output: a line of JSON, for `get` then
the contents; `{"error", "detail"}` says why it was not done. A crash ends with exit code 70.
"""

import contextlib
import json
import os
import pwd
import re
import signal
import sys
import time
from typing import IO, TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Type, TypeVar, cast

if TYPE_CHECKING or __name__ != "__main__":
    from lilong.agent.engines.slurm import hostile_folder as files
    from lilong.agent.engines.slurm.hostile_folder import FOLDER, FRESH, TRASH, Entry, Names, Refused
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import hostile_folder as files
    from hostile_folder import FOLDER, FRESH, TRASH, Entry, Names, Refused

# Two lines that are written anew at the installation. SINGLE_USER: the user id that agent and jobs share, if they do;
# then its files are trusted like those of root.
SETTINGS = "/etc/lilong/job-helper.json"
SINGLE_USER = 0

OWNERS = {0, SINGLE_USER}
VERSION = 3
REQUEST_BYTES_MAX = 16 * 1024 * 1024  # a working folder may have 20,000 files
SCRIPT_BYTES_MAX = 1024 * 1024
GET_BYTES_MAX, GET_FILES_MAX = 32 * 1024 * 1024, 4096
JOBS_MAX, PUTS_MAX = 100, 100
ENTRIES_MAX = 100_000
OUTPUT_BYTES = 8 * 1024
ANSWER_SECONDS, EXIT_CRASHED = 60, 70

ATTEMPT_ID = re.compile(r"[a-z]{2,5}_[0-9a-f]{32}")
JOB_ID = re.compile(r"[0-9]{1,12}(_[0-9]{1,7})?")
USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,63}")
OPTION = re.compile(r"--([a-z][a-z-]*)=([^\x00-\x1f\x7f]{1,1024})")
DIRECTIVE = re.compile(r"^[ \t\r]*#[ \t]*(SBATCH|PBS|BSUB)", re.IGNORECASE | re.MULTILINE)
FLAGS = {"--exclusive", "--hold", "--no-requeue", "--test-only"}
PATH_OPTIONS = {"chdir", "error", "input", "output"}
OPTIONS = PATH_OPTIONS | {
    "account", "comment", "constraint", "cores-per-socket", "cpus-per-gpu", "cpus-per-task", "distribution", "exclude",
    "exclusive", "export", "gpu-bind", "gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres",
    "gres-flags", "hint", "job-name", "licenses", "mem", "mem-per-cpu", "mem-per-gpu", "mincpus", "nice", "nodelist",
    "nodes", "ntasks", "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-node", "ntasks-per-socket", "open-mode",
    "partition", "prefer", "propagate", "qos", "reservation", "signal", "sockets-per-node", "switches",
    "threads-per-core", "time", "time-min", "tmp", "tres-per-task", "wckey",
}  # fmt: skip

Kind = TypeVar("Kind")
Delivery = Tuple[bytes, List[Names], List[Entry]]
Answer = Tuple[Dict[str, Any], bytes]


class Ground(NamedTuple):
    """The user's folder, open, and what root's settings say."""

    user: str
    folder: str
    fd: int
    bin_folder: str
    environment: Dict[str, str]
    seconds_max: int


class TimedOut(Exception):
    """Nothing moved for as long as the settings allow."""


def stop(_number: int, _frame: object) -> None:
    """Leave what hangs, through all clean-up."""
    raise TimedOut


def read_object(content: bytes) -> Dict[str, Any]:
    """Return the JSON object in `content`."""
    try:
        value: Any = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused("invalid", "There is no JSON object.")
    return value  # pyright: ignore[reportUnknownVariableType]


def take(request: Dict[str, Any], name: str, kind: Type[Kind]) -> Kind:
    """Return a field of exactly this type: a truth value is no number."""
    value = request.get(name)
    if type(value) is not kind:
        raise Refused("invalid", f"{name} is missing or of another kind.")
    return value


def take_list(request: Dict[str, Any], name: str, kind: Type[Kind], count_max: int) -> List[Kind]:
    """Return a list with entries of this type."""
    values: List[Kind] = request.get(name, ())
    if type(values) is not list or len(values) > count_max or any(type(value) is not kind for value in values):
        raise Refused("invalid", f"{name} is no list of at most {count_max} entries of their kind.")
    return values


def take_objects(request: Dict[str, Any], name: str, count_max: int) -> List[Dict[str, Any]]:
    """Return a list of JSON objects."""
    return cast("List[Dict[str, Any]]", take_list(request, name, dict, count_max))


def take_number(request: Dict[str, Any], name: str) -> int:
    """Return a number that is not negative."""
    value: int = take(request, name, int)
    if not 0 <= value < 2**63:
        raise Refused("invalid", f"{name} is out of range.")
    return value


def check_attempt(attempt_id: str) -> bytes:
    """Return the name of an attempt's folder."""
    if not ATTEMPT_ID.fullmatch(attempt_id):
        raise Refused("invalid", f"{attempt_id[:80]!r} is no attempt id.")
    return attempt_id.encode("ascii")


def describe(ground: Ground, _request: Dict[str, Any], _body: IO[bytes]) -> Answer:
    """Say who this is and where its folder lies."""
    return {"version": VERSION, "user": ground.user, "folder": ground.folder}, b""


def put(ground: Ground, request: Dict[str, Any], body: IO[bytes]) -> Answer:
    """Bring whole attempts into being, each in one step, or files of those that are there, each in one step.

    All contents come first: where they are not as announced, nothing of any attempt is put.
    """
    whole = take(request, "whole", bool)
    asked = [check_put(entry) for entry in take_objects(request, "attempts", PUTS_MAX)]
    told: List[Dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        fresh: List[Tuple[Delivery, bytes, int]] = []
        for attempt, folders, entries in asked:
            hidden, fd = stack.enter_context(files.fresh_folder(ground.fd, FRESH + attempt + b"-"))
            files.receive(fd, folders, entries, body, ground.seconds_max)
            fresh.append(((attempt, folders, entries), hidden, fd))
        if body.read(1):
            raise Refused("body", "More bytes came than were announced.")
        signal.alarm(0)
        for (attempt, folders, entries), hidden, fd in fresh:
            try:
                if whole:
                    files.name_folder(ground.fd, hidden, attempt)
                else:
                    files.move_files(fd, ground.fd, attempt, folders, [names for names, _, _ in entries])
                told.append({})
            except Refused as refused:
                told.append({"error": refused.code, "detail": refused.detail})
    return {"attempts": told}, b""


def check_put(entry: Dict[str, Any]) -> Delivery:
    """Return what comes to one attempt: its name, folders, and files with sizes and modes."""
    attempt = check_attempt(take(entry, "attempt_id", str))
    folders = [files.split_path(path) for path in take_list(entry, "folders", str, ENTRIES_MAX)]
    entries = [
        (files.split_path(take(file, "path", str)), take_number(file, "size"), take_number(file, "mode") & 0o700)
        for file in take_objects(entry, "files", ENTRIES_MAX)
    ]
    return attempt, folders, entries


def get(ground: Ground, request: Dict[str, Any], _body: IO[bytes]) -> Answer:
    """Read parts of files; a file that is missing has the size null."""
    facts: List[Dict[str, Optional[int]]] = []
    parts: List[bytes] = []
    room = GET_BYTES_MAX
    for entry in take_objects(request, "files", GET_FILES_MAX):
        names = [check_attempt(take(entry, "attempt_id", str)), *files.split_path(take(entry, "path", str))]
        offset, limit = take_number(entry, "offset"), take_number(entry, "limit")
        room -= limit
        if room < 0:
            raise Refused("invalid", f"More than {GET_BYTES_MAX} bytes are asked for.")
        size, part = files.read_part(ground.fd, names, offset, limit)
        facts.append({"size": size, "length": len(part)})
        parts.append(part)
    return {"files": facts}, b"".join(parts)


def list_files(ground: Ground, request: Dict[str, Any], _body: IO[bytes]) -> Answer:
    """List the regular files at and below some paths of an attempt, without their contents."""
    attempt = check_attempt(take(request, "attempt_id", str))
    found = files.Listing(min(take_number(request, "files_max"), ENTRIES_MAX), take_number(request, "bytes_max"))
    missing: List[str] = []
    for path in take_list(request, "paths", str, GET_FILES_MAX):
        names = files.split_path(path)
        fd = files.open_own(ground.fd, [attempt, *names])
        if fd is None:
            missing.append(path)
            continue
        try:
            found.add(fd, path, len(names))
        finally:
            os.close(fd)
    listed = [{"path": path, "size": size, "executable": mode} for path, (size, mode) in found.files.items()]
    return {"files": listed, "missing": missing, "skipped": found.skipped}, b""


def submit(ground: Ground, request: Dict[str, Any], _body: IO[bytes]) -> Answer:
    """Hand batch scripts to Slurm one after the other: each is judged by itself, and all end in the time of one."""
    ends_s = time.monotonic() + ground.seconds_max
    told: List[Dict[str, Any]] = []
    for job in take_objects(request, "jobs", JOBS_MAX):
        left_s = ends_s - time.monotonic()
        if told and left_s <= 0:
            told.append({"error": "busy", "detail": "Those before it have taken all the time."})
            continue
        try:
            options, script = check_job(ground, job)
            told.append(run(ground, ["sbatch", "--parsable", *options], script, max(0.0, left_s)))
        except Refused as refused:
            told.append({"error": refused.code, "detail": refused.detail})
    return {"jobs": told}, b""


def check_job(ground: Ground, job: Dict[str, Any]) -> Tuple[List[str], bytes]:
    """Return options and script; what the script says in comments to sbatch would pass by the list of options."""
    script: str = take(job, "script", str)
    if not script.startswith("#!") or "\0" in script or DIRECTIVE.search(script):
        raise Refused("script", "The script does not begin with #!, or has a directive for a batch system.")
    content = script.encode("utf-8", "replace")
    if len(content) > SCRIPT_BYTES_MAX:
        raise Refused("script", f"The script has more than {SCRIPT_BYTES_MAX} bytes.")
    options: List[str] = take_list(job, "options", str, 200)
    for option in options:
        check_option(option, ground.folder)
    return options, content


def check_option(option: str, folder: str) -> None:
    """Refuse what is not on the list, in full and with its value, and paths outside of the user's folder."""
    match = OPTION.fullmatch(option)
    name, value = match.groups() if match else ("", "")
    if option not in FLAGS and name not in OPTIONS:
        raise Refused("option", f"{option[:80]!r} is no option that the helper hands on.")
    if (name == "export" and value not in ("ALL", "NIL", "NONE")) or (name == "job-name" and "/" in value):
        raise Refused("option", f"{option[:80]!r}: this option does not take this value.")  # %x in a path is the name
    if name in PATH_OPTIONS and value != "/dev/null":
        inside = value[len(folder) :].split("/")[1:] if value.startswith(folder + "/") else [""]
        if {"", ".", ".."} & set(inside):
            raise Refused("option", f"{option[:200]!r} names a path outside of {folder}.")


def cancel(ground: Ground, request: Dict[str, Any], _body: IO[bytes]) -> Answer:
    """Cancel jobs, or those of them that still wait: Slurm lets this user cancel its own alone."""
    job_ids: List[str] = take_list(request, "job_ids", str, 1000)
    if not job_ids or not all(JOB_ID.fullmatch(job_id) for job_id in job_ids):
        raise Refused("invalid", "job_ids is empty or has an entry that is no job id.")
    filters = ["--state=PENDING"] if request.get("waiting_only") is True else []
    return run(ground, ["scancel", *filters, *job_ids], b"", ground.seconds_max), b""


def run(ground: Ground, argv: List[str], given: bytes, seconds_max: float) -> Dict[str, Any]:
    """Run a program of Slurm in the user's folder; returns its exit code and the beginning of what it says."""
    import subprocess  # noqa: PLC0415 - most calls run nothing, and it is a third of what they load

    signal.alarm(0)
    try:
        process = subprocess.Popen(
            [os.path.join(ground.bin_folder, argv[0]), *argv[1:]], env=ground.environment, cwd=ground.folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (FileNotFoundError, PermissionError) as error:
        raise Refused("program", f"{argv[0]} cannot be started: {error}") from None
    except OSError as error:
        raise Refused("system", f"{argv[0]} cannot be started now: {error}") from None
    try:
        texts = process.communicate(given, timeout=seconds_max)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        raise Refused("timeout", f"{argv[0]} did not answer within {seconds_max:.0f} s.") from None
    except OSError as error:  # it has begun: this must not look as if nothing had happened
        raise RuntimeError(f"{argv[0]}: {error}") from error
    stdout, stderr = [text[:OUTPUT_BYTES].decode("utf-8", "replace") for text in texts]
    return {"exit_code": process.returncode, "stdout": stdout, "stderr": stderr}


def remove(ground: Ground, request: Dict[str, Any], _body: IO[bytes]) -> Answer:
    """Delete attempts with all that jobs have nested in them, and what calls that were cut off have left of them."""
    attempts = [check_attempt(attempt_id) for attempt_id in take_list(request, "attempt_ids", str, GET_FILES_MAX)]
    begun = tuple([TRASH] + [FRESH + attempt + b"-" for attempt in attempts])
    left = [name for name in map(os.fsencode, os.listdir(ground.fd)) if name.startswith(begun)]
    files.remove(ground.fd, left)
    return {"removed": files.remove(ground.fd, attempts)}, b""


OPERATIONS: Dict[str, Callable[[Ground, Dict[str, Any], IO[bytes]], Answer]] = {
    "describe": describe, "put": put, "get": get, "list": list_files, "submit": submit, "cancel": cancel,
    "remove": remove,
}  # fmt: skip


def answer(ground: Ground, stream: IO[bytes]) -> Answer:
    """Read one request and do what it says."""
    line = stream.readline(REQUEST_BYTES_MAX + 1)
    if not line.endswith(b"\n"):
        raise Refused("invalid", f"There is no line of at most {REQUEST_BYTES_MAX} bytes.")
    request = read_object(line)
    operation = OPERATIONS.get(take(request, "op", str))
    if operation is None:
        raise Refused("invalid", "op names no operation of this helper.")
    return operation(ground, request, stream)


def read_settings() -> Dict[str, Any]:
    """Return root's settings after making sure that they, and this program, are root's."""
    try:
        for path in (__file__, files.__file__, SETTINGS):
            files.check_owners(path, OWNERS)
        with open(SETTINGS, "rb") as file:
            return read_object(file.read(REQUEST_BYTES_MAX))
    except OSError as error:
        raise Refused("settings", f"{SETTINGS} cannot be used: {error}") from None


def shed_surroundings() -> None:
    """Keep nothing that the caller could have prepared: arguments, user, environment, descriptors, signals."""
    if len(sys.argv) != 1:
        raise Refused("arguments", "The helper takes no arguments.")
    if 0 in os.getresuid():
        raise Refused("root", "The helper never works as root.")
    if SINGLE_USER not in (0, os.getuid()):
        raise Refused("user", "The helper was installed for another user.")
    os.environ.clear()
    os.umask(0o077)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.close(int(name))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGALRM, stop)


def enter_ground() -> Ground:
    """Open the user's folder: in the shared one, which is root's, and closed to everybody else."""
    settings = read_settings()
    user = pwd.getpwuid(os.getuid())
    shared, name = take(settings, "shared_folder", str), user.pw_name
    if not USER_NAME.fullmatch(name):
        raise Refused("user", f"{name!r} is no user name for a folder.")
    outer = os.open(shared, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    facts = os.fstat(outer)
    if facts.st_uid not in OWNERS or facts.st_mode & 0o022:
        raise Refused("unsafe", f"{shared} can be changed by others than root.")
    with contextlib.suppress(FileExistsError, PermissionError):
        os.mkdir(name, 0o700, dir_fd=outer)
    fd = files.open_own(outer, [name.encode()], FOLDER)
    if fd is None:
        raise Refused("folder", f"{shared}/{name} is no folder of {name}: `lilong agent install-helper` makes it.")
    if os.fstat(fd).st_mode & 0o077:
        os.fchmod(fd, 0o700)
    bin_folder = take(settings, "bin", str)
    environment = {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": user.pw_dir, "LANG": "C.UTF-8"}
    environment.update(cast("Dict[str, str]", take(settings, "environment", dict)), USER=name, LOGNAME=name)
    return Ground(name, f"{shared}/{name}", fd, bin_folder, environment, take(settings, "seconds_max", int))


def main() -> int:
    """Answer one request; returns the exit code."""
    content = b""
    try:
        shed_surroundings()
        ground = enter_ground()
        signal.alarm(ground.seconds_max)
        told, content = answer(ground, sys.stdin.buffer)
    except Refused as refused:
        told = {"error": refused.code, "detail": refused.detail}
    except TimedOut:
        told = {"error": "timeout", "detail": "It took longer than the helper's settings allow."}
    except OSError as error:
        told = {"error": "system", "detail": str(error)}
    except Exception:  # noqa: BLE001 - sudo has the exit code 1, which Python would take, for itself
        sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]
        return EXIT_CRASHED
    signal.alarm(ANSWER_SECONDS)
    sys.stdout.buffer.write(json.dumps(told).encode("ascii") + b"\n" + content)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
