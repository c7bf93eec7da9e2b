"""Talk to the hub for ever: say everything, hear what it wants, act, and go on without it while it is away."""

import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from lilong.agent.attempts import Attempts
from lilong.agent.cache import ObjectCache
from lilong.agent.engines.port import Engine
from lilong.agent.environments import EnvironmentStore
from lilong.agent.hub import HubAway, HubClient, HubRefused
from lilong.agent.settings import AgentSettings, write_new_token
from lilong.agent.spool import Spool, read_json, write_json
from lilong.agent.telling import Told, choose_telling
from lilong.common.errors import LilongError
from lilong.protocol.messages import (
    PROTOCOL_VERSION,
    Cancel,
    Command,
    Extend,
    Inventory,
    Locate,
    Release,
    Submit,
    SyncRequest,
    SyncResponse,
)

MIB = 1024 * 1024
SKEW_MAX = timedelta(seconds=5)
_INTERVAL_FIRST_S, _INTERVAL_MIN_S, _LOOK_EVERY_S = 0.5, 0.05, 1.0
_PAUSE_MAX_S, _REFUSED_PAUSE_S = 30.0, 5.0
_SUPERSEDED = "runs.agent_superseded"
_CLEAN_EVERY_S = 60.0
_STATE = "state.json"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lease:
    """How long the hub's word holds, on this machine's monotonic clock."""

    until_s: float = 0.0

    def holds(self) -> bool:
        """Return whether new work may be submitted now."""
        return time.monotonic() < self.until_s


class AgentLoop:
    """One agent at work. `tick` is one round; `run` repeats it until it is asked to stop."""

    def __init__(
        self,
        *,
        home: Path,
        settings: AgentSettings,
        version: str,
        boot_id: str,
        spool: Spool,
        engine: Engine,
        attempts: Attempts,
        hub: HubClient,
        cache: ObjectCache,
        environments: EnvironmentStore,
        lease: Lease,
        wake: threading.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self._home = home
        self._settings = settings
        self._version = version
        self._boot_id = boot_id
        self._spool = spool
        self._engine = engine
        self._attempts = attempts
        self._hub = hub
        self._cache = cache
        self._environments = environments
        self._lease = lease
        self._wake = wake
        self._clock = clock
        state = read_json(home / _STATE) or {}
        self._epoch = _int(state.get("epoch"))
        self._token_s = _int(state.get("token_rotated_s"))
        self._wanted: dict[str, dict[int, int]] = {}
        self._told: dict[str, Told] = {}
        self._syncs = 0
        self._absent: set[str] = set()
        self._interval_s = _INTERVAL_FIRST_S
        self._keep_spool_s = 24 * 3600
        self._failures = 0
        self._next_sync_s = self._next_clean_s = 0.0
        self._skewed = False

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Jobs go on without us; the next agent finds them."""
        while not stop.is_set():
            self._wake.clear()
            began_s = time.monotonic()
            self.tick()
            pause_s = min(max(self._next_sync_s - time.monotonic(), 0.0), _LOOK_EVERY_S)
            if self._wake.wait(pause_s):
                self._next_sync_s = 0.0 if not self._failures else self._next_sync_s
                stop.wait(max(0.0, began_s + _INTERVAL_MIN_S - time.monotonic()))

    def tick(self) -> None:
        """Carry every attempt on, sync when its turn has come, and carry out what the hub said.

        Raises HubRefused when another agent has taken over the pool: this one must end. Its jobs go on.
        """
        self._attempts.advance(may_start=self._lease.holds())
        if time.monotonic() < self._next_sync_s:
            return
        try:
            response = self._sync()
        except HubRefused as error:
            if error.facts.get("code") == _SUPERSEDED:
                self._lease.until_s = 0.0
                raise
            self._pause(error, least_s=_REFUSED_PAUSE_S)
            return
        except HubAway as error:
            self._pause(error, least_s=0.0)
            return
        self._failures = 0
        self._next_sync_s = time.monotonic() + self._interval_s
        if response.epoch == self._epoch:
            self._obey(response)
            self._attempts.advance(may_start=self._lease.holds())
        else:
            self._adopt(response)
        if time.monotonic() >= self._next_clean_s:
            self._clean()
            self._next_clean_s = time.monotonic() + _CLEAN_EVERY_S

    def _sync(self) -> SyncResponse:
        sent_at, sent_s = self._clock(), time.monotonic()
        observations, complete = self._attempts.list_observations(wanted=self._wanted, now=sent_at)
        self._syncs += 1
        telling = choose_telling(observations=observations, told=self._told, sync=self._syncs)
        request = SyncRequest(
            protocol_version=PROTOCOL_VERSION,
            agent_version=self._version,
            epoch=self._epoch,
            boot_id=self._boot_id,
            sent_at=sent_at,
            complete=complete,
            inventory=self._probe(),
            absent=tuple(sorted(self._absent)) if complete else (),
            unchanged=telling.unchanged,
            observations=telling.observations,
        )
        response = self._hub.sync(request)
        self._lease.until_s = sent_s + response.lease_s
        self._interval_s = max(_INTERVAL_MIN_S, response.interval_s)
        self._keep_spool_s = response.keep_spool_s
        self._told = dict(telling.told)
        self._wanted = {name: self._wanted[name] for name in telling.told if name in self._wanted}
        self._wanted |= response.reports_wanted
        self._absent.clear()
        self._note_skew(sent_at=sent_at, server_time=response.server_time)
        return response

    def _probe(self) -> Inventory | None:
        try:
            return self._engine.probe()
        except LilongError as error:
            log.warning("inventory unknown", code=error.code, detail=error.detail)
            return None

    def _adopt(self, response: SyncResponse) -> None:
        """Take over a higher epoch and say everything anew; a lower one has no power here."""
        if response.epoch < self._epoch:
            self._lease.until_s = 0.0
            log.error("the hub's epoch went back", ours=self._epoch, theirs=response.epoch)
            return
        log.info("new epoch", ours=self._epoch, theirs=response.epoch)
        self._attempts.start_anew()
        self._epoch, self._wanted, self._told = response.epoch, {}, {}
        self._write_state()
        self._next_sync_s = 0.0

    def _obey(self, response: SyncResponse) -> None:
        for command in response.commands:
            try:
                self._carry_out(command, hub_id=response.hub_id)
            except ValueError:
                log.exception("command cannot be carried out", kind=command.kind)
            except LilongError as error:
                log.warning("command is left for the next time", kind=command.kind, code=error.code)
            except OSError:
                log.exception("no room to carry out a command", kind=command.kind)

    def _carry_out(self, command: Command, *, hub_id: str) -> None:
        if isinstance(command, Submit):
            if command.epoch == self._epoch and self._lease.holds() and self._has_room():
                self._attempts.accept(command, hub_id=hub_id)
            return
        if not self._attempts.knows(command.attempt_id):
            if not isinstance(command, Release):
                self._absent.add(command.attempt_id)
            return
        match command:
            case Cancel():
                self._attempts.cancel(command)
            case Extend():
                self._attempts.extend(command)
            case Release():
                self._attempts.release(command.attempt_id)
            case Locate():
                self._told.pop(command.attempt_id, None)

    def _has_room(self) -> bool:
        usage = shutil.disk_usage(self._home)
        return usage.free > self._settings.free_disk_mib * MIB

    def _pause(self, error: LilongError, *, least_s: float) -> None:
        """Come again after a growing, random pause; what runs goes on to its authority."""
        self._failures += 1
        pause_s = min(_PAUSE_MAX_S, self._interval_s * 2 ** min(self._failures, 10))
        self._next_sync_s = time.monotonic() + max(least_s, pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads agents
        log.warning("hub not reached", code=error.code, detail=error.detail, failures=self._failures)

    def _note_skew(self, *, sent_at: datetime, server_time: datetime) -> None:
        skewed = not sent_at - SKEW_MAX <= server_time <= self._clock() + SKEW_MAX
        if skewed and not self._skewed:
            log.warning("this machine's clock and the hub's differ", ours=str(sent_at), theirs=str(server_time))
        self._skewed = skewed

    def _clean(self) -> None:
        """Delete what is over its time or its limit, and rotate the token when it is old."""
        now_s = self._clock().timestamp()
        keep_s = self._keep_spool_s if self._spool.measure_released() <= self._settings.spool_mib * MIB else 0
        self._spool.clean(now_s=now_s, keep_s=keep_s)
        self._cache.clean(keep_bytes=self._settings.cache_mib * MIB)
        in_use = [self._environments.find(digest) for digest in self._attempts.list_environments_in_use()]
        self._environments.clean(keep=self._settings.environments_max, in_use=in_use)
        if not self._token_s:
            self._token_s = int(now_s)
            self._write_state()
        elif now_s - self._token_s > self._settings.rotate_token_every_h * 3600:
            self._rotate_token(now_s=int(now_s))

    def _rotate_token(self, *, now_s: int) -> None:
        """Ask for a new token and write it down before it is used: until then the hub takes the old one."""
        try:
            pool_token = self._hub.rotate_token()
            write_new_token(self._home, pool_token=pool_token)
        except LilongError as error:
            log.warning("token not rotated", code=error.code, detail=error.detail)
            return
        self._hub.use_token(pool_token)
        self._token_s = now_s
        self._write_state()

    def _write_state(self) -> None:
        write_json(self._home / _STATE, {"epoch": self._epoch, "token_rotated_s": self._token_s})


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
