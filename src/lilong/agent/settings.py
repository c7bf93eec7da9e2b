"""The agent's settings in `agent.toml`: which hub, which pool, what of this machine. Read once, written by `join`."""

import ipaddress
import json
import re
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lilong.agent.engines.local.start import LocalLimits
from lilong.agent.engines.rank.launch import MIB, Bounds
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.spool import write_bytes
from lilong.common.errors import FieldProblem, InputInvalid

FILE_NAME = "agent.toml"
_TOKEN_LINE = re.compile(r'^pool_token = ".*"$', re.MULTILINE)

# Beyond people, services and subordinate ids, and within 31 bits, which is what bubblewrap can map.
_UIDS_FROM, _UID_BLOCKS, _UID_BLOCK_SIZE = 1_000_000_000, 1_000_000, 1_000

Table = TypeVar("Table", bound=BaseModel)
Positive = Annotated[int, Field(ge=1)]


class AgentSettingsInvalid(InputInvalid):
    """agent.toml is missing, cannot be read, or says something that cannot be."""

    code = "agent.settings_invalid"
    title = "The agent's settings cannot be used"
    next_step = "Correct agent.toml as named here, or join again with `lilong agent join`."


class HubAddressRefused(InputInvalid):
    """A token and members' secrets would travel unprotected."""

    code = "agent.hub_address_refused"
    title = "The agent talks to a hub over https only"
    next_step = "Use the hub's https:// address; http:// is for 127.0.0.1, ::1 and localhost alone."


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LocalSettings(_Table):
    """The embedded engine. Sizes left out are the machine's; see `LocalLimits`.

    uid_first: left out, it follows from the home folder, so that two agents on a machine share no user for jobs.
    """

    nodes: Positive = 1
    cores: Positive | None = None
    memory_mib: Positive | None = None
    uid_first: Positive | None = None
    uid_count: Positive = 900
    network: bool = False
    log_mib: Positive = 64
    processes_max: Positive = 512
    files_max: Positive = 200_000

    def find_limits(self, *, home: Path) -> LocalLimits:
        """Return the same as the engine takes it, for the agent in `home`."""
        named = self.model_dump(exclude={"log_mib", "uid_first", "processes_max", "files_max"})
        bounds = Bounds(log_bytes_max=self.log_mib * MIB, processes_max=self.processes_max, files_max=self.files_max)
        block = int.from_bytes(sha256(str(home.resolve()).encode()).digest()[:4], "big") % _UID_BLOCKS
        uid_first = self.uid_first or _UIDS_FROM + block * _UID_BLOCK_SIZE
        return LocalLimits(**named, uid_first=uid_first, bounds=bounds)


class PackageSettings(_Table):
    """Where environments are built from; without any, what uv and pip of this account are set to."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()


class AgentSettings(_Table):
    """All settings of one agent. `profiles`: base interpreters by name."""

    hub_url: str
    hub_id: str
    pool_id: str
    pool_token: str = Field(repr=False)
    profiles: dict[str, Path] = Field(default_factory=lambda: {"python3": Path("/usr/bin/python3")})
    local: LocalSettings = LocalSettings()
    slurm: SlurmSettings | None = None
    packages: PackageSettings = PackageSettings()
    cache_mib: Positive = 20 * 1024
    environments_max: Positive = 20
    spool_mib: Positive = 100 * 1024
    free_disk_mib: Positive = 512
    rotate_token_every_h: Positive = 24

    @field_validator("hub_url")
    @classmethod
    def _is_protected(cls, hub_url: str) -> str:
        check_hub_url(hub_url)
        return hub_url.rstrip("/")


def is_loopback(hub_url: str) -> bool:
    """Return whether the address stays on this machine.

    >>> is_loopback("http://127.0.0.1:8000"), is_loopback("http://hub.example")
    (True, False)
    """
    host = urlsplit(hub_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_hub_url(hub_url: str) -> None:
    """Raise HubAddressRefused unless the address is https, or http on this machine."""
    scheme = urlsplit(hub_url).scheme
    if not urlsplit(hub_url).hostname or not (scheme == "https" or (scheme == "http" and is_loopback(hub_url))):
        raise HubAddressRefused(detail=f"{hub_url[:200]!r} is neither https:// nor this machine.")


def read_settings(home: Path) -> AgentSettings:
    """Return the settings in `home`; raises AgentSettingsInvalid or HubAddressRefused."""
    return _read_table(home / FILE_NAME, AgentSettings)


def read_slurm_settings(*, path: Path) -> SlurmSettings:
    """Return a file that holds what `[slurm]` holds; raises AgentSettingsInvalid."""
    return _read_table(path, SlurmSettings)


def _read_table(path: Path, kind: type[Table]) -> Table:
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise AgentSettingsInvalid(detail=f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        fields = [
            FieldProblem(path=".".join(map(str, one["loc"])), code="agent.setting_invalid", message=one["msg"])
            for one in error.errors(include_input=False, include_url=False)
        ]
        raise AgentSettingsInvalid(detail=f"{path} has fields that cannot be used.", fields=fields) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AgentSettingsInvalid(detail=f"{path} is not TOML: {error}") from error


def write_new_settings(home: Path, *, settings: AgentSettings) -> None:
    """Write agent.toml, readable by its owner alone; settings that are at their default are left to it."""
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in (
            ("hub_url", settings.hub_url),
            ("hub_id", settings.hub_id),
            ("pool_id", settings.pool_id),
            ("pool_token", settings.pool_token),
        )
    ]
    lines += ["", "[profiles]"]
    lines += [
        f"{json.dumps(name)} = {json.dumps(str(path), ensure_ascii=False)}" for name, path in settings.profiles.items()
    ]
    for name, table in (("local", settings.local), ("slurm", settings.slurm), ("packages", settings.packages)):
        chosen = table.model_dump(mode="json", exclude_defaults=True) if table is not None else {}
        if chosen:
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {_write_value(value)}" for key, value in chosen.items()]
    home.mkdir(parents=True, exist_ok=True)
    write_bytes(home / FILE_NAME, ("\n".join(lines) + "\n").encode())


def _write_value(value: object) -> str:
    """Return a value as TOML, which is JSON but for tables."""
    if isinstance(value, dict):
        pairs = [f"{json.dumps(key)} = {_write_value(item)}" for key, item in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return "{ " + ", ".join(pairs) + " }"
    return json.dumps(value, ensure_ascii=False)


def write_new_token(home: Path, *, pool_token: str) -> None:
    """Replace the token in agent.toml and leave every other line as the operator wrote it."""
    text = (home / FILE_NAME).read_text(encoding="utf-8")
    fresh, count = _TOKEN_LINE.subn(lambda _: f"pool_token = {json.dumps(pool_token)}", text)
    if count != 1:
        raise AgentSettingsInvalid(detail='agent.toml has no single line `pool_token = "…"` to replace.')
    write_bytes(home / FILE_NAME, fresh.encode())
