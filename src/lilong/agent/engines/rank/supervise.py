"""Run one rank of an attempt, whatever happens to the agent and the hub: `python -I -S shim.py RANK_FOLDER`.

Standard library only and Python 3.6 syntax, like the files beside it: they run where Lilong is not installed. It
detaches, starts the command of launch.json from its main thread, and writes what is known to its folder: shim.json
(pid and start time), log, usage.json, reports.jsonl and, last and once, exit.json. It ends the rank by itself at the
authorised time (authority.json), the walltime, a limit, or cancel.json; its own death ends the rank with it.

`shim.py --attached ATTEMPT_FOLDER` is a step of a cluster's own job: it stays where the cluster started it, as the
rank that SLURM_PROCID names, and leaves it to the cluster to notice when a peer's machine dies.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

if TYPE_CHECKING:
    from lilong.agent.engines.rank.accelerators import build_binds, find_devices, find_shown
    from lilong.agent.engines.rank.journal import Log, Reports, read_json, utc_text, write_json
    from lilong.agent.engines.rank.watch import Watch, list_children, list_descendants, started_ticks, walk
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from accelerators import build_binds, find_devices, find_shown
    from journal import Log, Reports, read_json, utc_text, write_json
    from watch import Watch, list_children, list_descendants, started_ticks, walk

TICK_S, USAGE_EVERY_S = 0.1, 0.5
START_WAIT_S, PEER_WAIT_S = 60.0, 30.0
CHUNK_BYTES, RESERVE_BYTES = 256 * 1024, 64 * 1024
MASKED_BYTES_MIN, PAUSE_S = 4, 0.5
DEVICES_FROM = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
MARKER_FD, RESERVED_FDS = 9, (7, 8, 9)  # one digit, as a plain shell reads them
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, F_SETPIPE_SZ = 1, 36, 1031


class _Rank:
    """One rank from start to exit.json."""

    def __init__(self, folder: str, order: Dict[str, Any], attached: bool) -> None:
        self.folder, self.attempt, self.order = folder, os.path.dirname(os.path.dirname(folder)), order
        self.attached, self.looked_s = attached, time.monotonic()
        self.watch = Watch(order)
        self.reports = Reports(os.path.join(folder, "reports.jsonl"), order)
        self.log = Log(os.path.join(folder, "log"), order["log_max"], _read_secrets(order["secrets"]))
        self.process: Optional["subprocess.Popen[bytes]"] = None
        self.cause = self.detail = self.started_at = ""
        self.base_s, self.final_ms = 0.0, 0
        self.kill_s = self.peer_kill_s = float("inf")
        self.checkpoint_ms, self.authorised_ms = 0, int(order["authorised_ms"])
        self.provider_stops = False

    def run(self) -> None:
        """Start, watch until the end, write exit.json."""
        code = None
        try:
            output = self.start()
            if self.base_s:
                self.reports.add("start", 0, 0)
                code = self.follow(output)
        except (OSError, subprocess.SubprocessError) as error:
            self.cause, self.detail = self.cause or "launch_failed", str(error)
        self.finish(code)

    def start(self) -> int:
        """Start the command and wait until all ranks run: till then it is the engine's time. Returns its output."""
        order = self.order
        if order["accelerators"]:
            self.show_devices(order["accelerators"])
        elif order["device_variables"]:
            given = next((os.environ[name] for name in DEVICES_FROM if os.environ.get(name)), "")
            self.write_devices(given)
        for number, name in order["files"].items():
            _move_fd(os.open(os.path.join(self.folder, name), os.O_RDONLY), int(number))
        (marker, marker_end), (output, output_end) = os.pipe(), os.pipe()
        _move_fd(marker_end, MARKER_FD)
        fds = [MARKER_FD] + [int(number) for number in order["files"]]
        self.process = subprocess.Popen(
            order["argv"], stdin=subprocess.DEVNULL, stdout=output_end, stderr=output_end, env=order["environment"],
            cwd=order["cwd"], pass_fds=fds, start_new_session=True, preexec_fn=lambda: _prepare_child(order),
        )  # fmt: skip
        for fd in [*fds, output_end]:
            os.close(fd)
        os.set_blocking(output, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(output, F_SETPIPE_SZ, CHUNK_BYTES)
        pid = self.process.pid
        write_json(os.path.join(self.folder, "job.json"), {"pid": pid, "started_ticks": started_ticks(pid)}, False)
        if select.select([marker], [], [], START_WAIT_S)[0] and os.read(marker, 1) == b"r":
            self.started_at = utc_text()
            self.wait_for_gang()
        else:
            self.read_output(output, 0.5)
            self.log.feed(b"", final=True)
            self.cause, self.detail = "launch_failed", self.log.tail.decode("utf-8", "replace").strip()
        return output

    def show_devices(self, wanted: Dict[str, Any]) -> None:
        """Let the sandbox show the accelerators that the engine gave to this rank, which count from 0 in there."""
        shown = find_shown(wanted, find_devices(wanted, os.environ), node=os.environ.get("SLURMD_NODENAME", ""))
        with open(os.path.join(self.folder, "options"), "ab") as file:
            file.write(b"".join(part.encode() + b"\0" for part in build_binds(shown, wanted["read_only"])))
        write_json(os.path.join(self.folder, "devices.json"), {"shown": shown})
        self.write_devices(",".join(map(str, range(wanted["count"]))))

    def write_devices(self, given: str) -> None:
        """Tell the job which accelerators the engine gave it, under the names that its software looks for."""
        with open(os.path.join(self.folder, "given", "devices"), "w", encoding="ascii") as file:
            plain = "".join(char for char in given if char.isalnum() or char in ",-.:")
            file.writelines(f"export {name}='{plain}'\n" for name in self.order["device_variables"])

    def wait_for_gang(self) -> None:
        """Say that this rank runs and set `base_s` to the moment since which all do, unless it must not go on."""
        write_json(os.path.join(self.folder, "running.json"), {"monotonic_s": time.monotonic()}, durable=False)
        deadline_s, count = time.monotonic() + START_WAIT_S, self.order["ranks"]
        while not self.cause:
            peers = [read_json(self.attempt, "ranks", str(n), "running.json") for n in range(count)]
            if all(peers):
                began_s = [float(peer["monotonic_s"]) for peer in peers if peer]
                self.base_s = time.monotonic() if self.attached else max(began_s)  # machines share no such clock
                return
            self.begin_stop(self.find_order_to_stop() or self.look_at_peers())
            if time.monotonic() > deadline_s:
                self.begin_stop("peer_lost")
            time.sleep(TICK_S / 4)

    def follow(self, output: int) -> Optional[int]:
        """Read output, enforce limits and report until the command has ended; returns its exit code."""
        next_report_s, next_usage_s = self.base_s + self.order["period_s"], 0.0
        code = None
        while code is None:
            self.read_output(output, TICK_S)
            code = self.reap()
            now_s = self.looked_s = time.monotonic()
            if not self.cause and code is None:
                self.begin_stop(self.find_order_to_stop() or self.watch.look() or self.look_at_peers())
            if now_s >= self.kill_s or (now_s - self.base_s) * 1000 >= self.limit()[0]:
                self.cause = self.cause or self.limit()[1]
                break
            if now_s >= next_usage_s:
                self.write_usage()
                next_usage_s = now_s + USAGE_EVERY_S
            if now_s >= next_report_s:
                self.reports.add("heartbeat", self.elapsed_ms(), self.checkpoint_ms)
                next_report_s = max(next_report_s, now_s - 1) + self.order["period_s"]
        if self.watch.count_event("memory_events", "oom_kill "):
            self.cause = "memory_exceeded"
        self.final_ms = self.elapsed_ms()
        self.end_all()
        self.read_output(output, 0)
        return code

    def skip_pause(self) -> None:
        """Leave out the time during which the machine's owner had suspended the rank; called when it goes on."""
        pause_s = time.monotonic() - self.looked_s
        if self.base_s and pause_s > PAUSE_S:
            self.base_s += pause_s
            self.looked_s += pause_s

    def elapsed_ms(self) -> int:
        """Return the time since all ranks run, never more than is authorised; it stands still once the rank ended."""
        return self.final_ms or min(int((time.monotonic() - self.base_s) * 1000), self.limit()[0]) if self.base_s else 0

    def limit(self) -> Tuple[int, str]:
        """Return the nearer of walltime and authority, in ms, and its name."""
        fresh = (read_json(self.attempt, "authority.json") or {}).get("authorised_ms")
        self.authorised_ms = fresh if isinstance(fresh, int) and fresh >= 0 else self.authorised_ms
        return min((self.order["walltime_ms"], "walltime_reached"), (self.authorised_ms, "authority_reached"))

    def find_order_to_stop(self) -> str:
        """Return the cause when hub, provider or time want the rank to end."""
        cancel = read_json(self.attempt, "cancel.json")
        if cancel is not None:
            return str(cancel.get("reason", "cancelled_by_hub"))
        if self.provider_stops:
            return "preempted_by_provider"
        limit_ms, cause = self.limit()
        grace_ms = min(self.order["grace_ms"], limit_ms // 10)
        return cause if self.base_s and self.elapsed_ms() >= limit_ms - grace_ms else ""

    def look_at_peers(self) -> str:
        """Return the cause when another rank has failed, vanished, or ended a while ago: a gang is all or nothing."""
        for rank in range(self.order["ranks"]):
            peer = os.path.join(self.attempt, "ranks", str(rank))
            shim = read_json(peer, "shim.json")
            alive = self.attached or shim is None or started_ticks(shim["pid"]) == shim["started_ticks"]
            ended = None if alive and rank != self.order["rank"] else read_json(peer, "exit.json")
            if ended is not None and (ended["cause"] or ended["exit_code"] != 0):
                return "peer_failed"
            if ended is None and not alive:
                return "peer_lost"
            if ended is not None:
                self.peer_kill_s = min(self.peer_kill_s, time.monotonic() + PEER_WAIT_S)
        return "peer_ended" if time.monotonic() >= self.peer_kill_s else ""

    def begin_stop(self, cause: str) -> None:
        """Send the stop signal for `cause` and fix the moment of the kill; a broken limit has no grace."""
        if not cause:
            return
        self.cause, self.detail = cause, self.watch.detail
        grace_ms = (read_json(self.attempt, "cancel.json") or {}).get("grace_s", self.order["grace_ms"] / 1000) * 1000
        self.kill_s = time.monotonic() + (0 if cause.endswith("_exceeded") else grace_ms / 1000)
        if self.process is not None and grace_ms:
            main = self.process.pid
            for _ in range(self.order["shell_depth"]):  # the sandbox's own processes stand above the job's shell
                main = next(iter(list_children(main)), main)
            for pid in [main, *list_children(main)]:
                with contextlib.suppress(OSError):
                    os.kill(pid, self.order["stop_signal"])

    def read_output(self, output: int, wait_s: float) -> None:
        """Feed what is there to the log, waiting at most `wait_s` for more."""
        for _ in range(64):
            if not select.select([output], [], [], wait_s)[0]:
                return
            chunk = os.read(output, CHUNK_BYTES)
            if not chunk:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _ = self.process and self.process.wait(wait_s)
                return
            self.log.feed(chunk)
            wait_s = 0

    def reap(self) -> Optional[int]:
        """Collect ended processes that were handed to us; returns the command's exit code once it has one."""
        code = self.process.poll() if self.process else None
        for pid in list_children(os.getpid()) if code is None else []:
            if self.process and pid != self.process.pid:
                with contextlib.suppress(OSError):
                    os.waitpid(pid, os.WNOHANG)
        return code

    def end_all(self) -> None:
        """Kill every process below this one and wait until none is left."""
        pids = list_descendants(os.getpid())
        while pids:
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(TICK_S / 10)
            self.reap()
            pids = [pid for pid in list_descendants(os.getpid()) if started_ticks(pid)]

    def write_usage(self) -> None:
        """Say what is used so far and when the newest checkpoint was written."""
        elapsed_ms, newest_s = self.elapsed_ms(), 0.0
        with contextlib.suppress(OSError):
            for name, facts in walk(self.order["checkpoint"]):
                if stat.S_ISREG(facts.st_mode) and not name.endswith(".tmp"):
                    newest_s = max(newest_s, facts.st_ctime)
        age_ms = int((time.time() - newest_s) * 1000)
        self.checkpoint_ms = min(max(self.checkpoint_ms, elapsed_ms - age_ms), elapsed_ms)
        usage: Dict[str, Any] = {"elapsed_ms": elapsed_ms, "checkpoint_ms": self.checkpoint_ms}
        usage["authorised_ms"] = self.authorised_ms
        usage.update(tasks=self.watch.tasks, memory_bytes=self.watch.memory_bytes, disk_bytes=self.watch.disk_bytes)
        usage.update(cause=self.cause, started_at=self.started_at)
        with contextlib.suppress(OSError):
            write_json(os.path.join(self.folder, "usage.json"), usage, durable=False)

    def finish(self, code: Optional[int]) -> None:
        """Report the end and write exit.json, trying until the disk takes it."""
        self.end_all()
        self.log.feed(b"", final=True)
        if self.provider_stops:  # a cluster sends SIGTERM to the command, too, which may have ended of it before us
            self.cause = self.cause or "preempted_by_provider"
        if self.base_s:
            self.write_usage()
            self.reports.add("end", self.final_ms, self.checkpoint_ms)
        end = {"cause": self.cause, "exit_code": code, "elapsed_ms": self.final_ms, "checkpoint_ms": self.checkpoint_ms}
        end.update(started_at=self.started_at, ended_at=utc_text(), detail=self.detail[-400:])
        while True:
            try:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(self.folder, "reserve"))
                if self.attached and self.order["secrets"]:
                    import shutil  # noqa: PLC0415 - few jobs have secrets, and it loads three compressors

                    shutil.rmtree(self.order["secrets"], ignore_errors=True)
                write_json(os.path.join(self.folder, "exit.json"), end)
                return
            except OSError:
                time.sleep(1)


def _read_secrets(folder: str) -> List[bytes]:
    values: List[bytes] = []
    for name in os.listdir(folder) if folder else []:
        with open(os.path.join(folder, name), "rb") as file:
            values.append(file.read().strip())
    return [value for value in values if len(value) >= MASKED_BYTES_MIN]


def _move_fd(fd: int, number: int) -> None:
    os.dup2(fd, number)
    os.close(fd)


def _prepare_child(order: Dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    for path in order["cgroups"]:
        with open(path, "w", encoding="ascii") as file:
            file.write("0")
    for name, value in order["rlimits"].items():
        most = resource.getrlimit(getattr(resource, name))[1]  # only root may raise it
        limit = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(getattr(resource, name), (limit, limit))
    if order["cores"]:
        os.sched_setaffinity(0, order["cores"])
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if order["ignores_term"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def run_detached(folder: str) -> None:
    """Detach and run the rank in `folder` unless it was started before; the first process ends at once."""
    begun, begun_end = os.pipe()
    if os.fork():
        os.close(begun_end)
        os.read(begun, 1)  # returns when the detached process has written shim.json or has ended
        return
    os.setsid()
    null, errors = os.open(os.devnull, os.O_RDWR), os.open(os.path.join(folder, "shim.err"), os.O_CREAT | os.O_WRONLY)
    for source, number in [(null, 0), (null, 1), (errors, 2)] + [(null, number) for number in RESERVED_FDS]:
        os.dup2(source, number)
    lock = os.open(os.path.join(folder, "lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    if not os.path.exists(os.path.join(folder, "shim.json")):
        _run(folder, False, begun_end)


def run_attached(attempt: str) -> None:
    """Run one rank as the cluster's own process, once: a job that the cluster starts again ends without effect."""
    folder = os.path.join(attempt, "ranks", os.environ.get("SLURM_PROCID", "0"))
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, *RESERVED_FDS):
        os.dup2(null, number)
    try:
        os.open(os.path.join(folder, "lock"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        sys.exit("This rank was begun before; the hub decides about another try.")
    _run(folder, True, null)


def _run(folder: str, attached: bool, begun: int) -> None:
    os.umask(0o077)
    with open(os.path.join(folder, "reserve"), "wb") as file:
        file.write(bytes(RESERVE_BYTES))
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot_id = file.read().strip()
    pid = os.getpid()
    shim = {"pid": pid, "started_ticks": started_ticks(pid), "boot_id": boot_id}
    if attached:
        shim["native_id"] = os.environ.get("SLURM_JOB_ID", "")
    write_json(os.path.join(folder, "shim.json"), shim)
    os.close(begun)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    order = read_json(folder, "launch.json")
    if order is None:
        return
    rank = _Rank(folder, order, attached)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: setattr(rank, "provider_stops", True))
    signal.signal(signal.SIGCONT, lambda _number, _frame: rank.skip_pause())
    rank.run()


def main(argv: List[str]) -> None:
    """Run what shim.py was told to."""
    if argv[1] == "--attached":
        run_attached(os.path.abspath(argv[2]))
    else:
        run_detached(os.path.abspath(argv[1]))
