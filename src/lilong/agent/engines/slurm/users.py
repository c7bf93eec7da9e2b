"""The users of the cluster as whom jobs run, and which organisation holds which service user."""

import os
import pwd
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from lilong.agent.engines.slurm.assignment import Refusal, choose_user
from lilong.agent.engines.slurm.identity import JobUser
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.spool import read_json, write_json
from lilong.common.errors import EngineRefused

HELD = "held.json"


@lru_cache(maxsize=1024)
def find_uid(name: str) -> int:
    """Return a user's number, -1 for a name that this machine does not know."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1


class JobUsers:
    """Chooses and reaches users. A service user stays with its organisation until an operator releases it.

    What an organisation's trusted work left in its user's own home would else be the next one's to read.
    """

    def __init__(self, *, settings: SlurmSettings, home: Path) -> None:
        self._settings = settings
        self._path = home / HELD
        self._agent_user = pwd.getpwuid(os.geteuid()).pw_name
        self._lock = threading.Lock()

    def list_names(self) -> list[str]:
        """Return every user as whom jobs may run."""
        return sorted({*self._settings.users.values(), *self._settings.service_users})

    def of(self, name: str) -> JobUser:
        """Return one of them."""
        return JobUser(user=name, agent_user=self._agent_user, helper=self._settings.helper)

    def choose(self, *, organisation_id: str) -> str:
        """Return the user of an organisation, a free one if need be; raises EngineRefused with what to do."""
        with self._lock:
            held = self._read_held()
            chosen = choose_user(
                organisation_id=organisation_id,
                mapped=self._settings.users,
                pool=self._settings.service_users,
                held=held,
                agent_user=self._agent_user,
            )
            if isinstance(chosen, Refusal):
                raise EngineRefused(detail=chosen.detail)
            if chosen.is_new:
                write_json(self._path, {**held, chosen.user: organisation_id})
            return chosen.user

    def _read_held(self) -> Mapping[str, str]:
        return {user: str(organisation) for user, organisation in (read_json(self._path) or {}).items()}
