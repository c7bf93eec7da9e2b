"""The users of the cluster as whom jobs run, and which organisation holds which service user."""

import fcntl
import os
import pwd
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lilong.agent.engines.slurm.assignment import Refusal, choose_user, is_single_user
from lilong.agent.engines.slurm.gathering import Gathering
from lilong.agent.engines.slurm.identity import JobUser
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.spool import read_json, write_json
from lilong.common.errors import Conflict, EngineRefused, NotFound

HELD = "held.json"


class UserNotHeld(NotFound):
    """No organisation has this service user."""

    code = "agent.user_not_held"
    title = "No organisation holds this user"
    next_step = "Name one of those that are listed here."


class UserBusy(Conflict):
    """Work of its organisation is not over here."""

    code = "agent.user_busy"
    title = "This user still works for its organisation"
    next_step = "Wait until what is named here is over; a drained pool gets nothing new."


class JobUsers:
    """Chooses and reaches users. A service user stays with its organisation until an operator releases it.

    What an organisation's trusted work left in its user's own home would else be the next one's to read.
    """

    def __init__(self, *, settings: SlurmSettings, home: Path) -> None:
        self._settings = settings
        self._path = home / HELD
        self._agent_user = pwd.getpwuid(os.geteuid()).pw_name
        self._uids: dict[str, int] = {}
        self._gatherings: dict[str, Gathering] = {}

    @property
    def is_single(self) -> bool:
        """Whether all jobs run as the agent's own user."""
        settings = self._settings
        return is_single_user(mapped=settings.users, pool=settings.service_users, agent_user=self._agent_user)

    def list_names(self) -> list[str]:
        """Return every user as whom jobs may run."""
        return sorted({*self._settings.users.values(), *self._settings.service_users})

    def find_mapped(self, name: str) -> str:
        """Return the organisation that is mapped to a user, empty for a service user."""
        return next((organisation for organisation, user in self._settings.users.items() if user == name), "")

    def of(self, name: str) -> JobUser:
        """Return one of them."""
        return JobUser(user=name, agent_user=self._agent_user, helper=self._settings.helper)

    def gather(self, name: str) -> Gathering:
        """Return where threads that bring attempts to this user meet."""
        return self._gatherings.setdefault(name, Gathering(user=self.of(name)))

    def find_uid(self, name: str) -> int:
        """Return a user's number, -1 for a name that this machine does not know."""
        if name not in self._uids:
            with suppress(KeyError):
                self._uids[name] = pwd.getpwnam(name).pw_uid
        return self._uids.get(name, -1)

    def choose(self, *, organisation_id: str) -> str:
        """Return the user of an organisation, a free one if need be; raises EngineRefused with what to do."""
        with self._holding() as held:
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

    def release(self, name: str, *, check: Callable[[str], None]) -> str:
        """Take a service user from its organisation, and return whose it was; raises UserNotHeld.

        check: called with the organisation before anything is changed; raises what stands against it. An agent that
        works meanwhile chooses users before or after this, and an attempt is in the spool before one is chosen for it.
        """
        with self._holding() as held:
            if name not in held:
                raise UserNotHeld(detail=f"{name[:80]!r}; held are: {', '.join(sorted(held)) or 'none'}.")
            check(held[name])
            write_json(self._path, {user: holder for user, holder in held.items() if user != name})
            return held[name]

    @contextmanager
    def _holding(self) -> Generator[Mapping[str, str]]:
        """Hand out who holds which service user; nobody else, in this process or another, changes it meanwhile."""
        lock = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield {user: str(organisation) for user, organisation in (read_json(self._path) or {}).items()}
        finally:
            os.close(lock)
