"""One request to the helper and its answer, and what it means when there is none.

The helper runs as the user of a member: its answer is what that user says.
"""

import itertools
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lilong.agent.engines.slurm.exchange import Exchanged, exchange
from lilong.agent.engines.slurm.job_helper import REQUEST_BYTES_MAX
from lilong.common.errors import EngineBusy, EngineLost, EngineRefused, LilongError

_HEADER_BYTES_MAX = 16 * 1024 * 1024
_RETRY_SOON_S, _RETRY_LATER_S = 5, 60
_NOTHING_DONE_YET = {"busy", "short", "system", "timeout"}
_SUDO_FORBIDS = ("password is required", "not allowed", "may not run", "sudoers", "command not found")


class AttemptFolderExists(EngineRefused):
    """A whole attempt was to be put where there is one already."""

    code = "engine.folder_exists"
    title = "The attempt has a folder on the cluster already"
    next_step = "Go on with what is there, or remove it when no job of it can be left."


class AttemptFolderMissing(EngineRefused):
    """Files were to be put into an attempt that is not there."""

    code = "engine.folder_missing"
    title = "The attempt has no folder on the cluster"
    next_step = "Put the whole attempt first."


class ProgramEnded(EngineLost):
    """A program of Slurm did not answer and was ended; what it had sent before may have had its effect."""

    code = "engine.program_ended"
    title = "A program of Slurm did not answer"


class FolderTooLarge(EngineRefused):
    """More files or bytes than may be listed, or than one request can name."""

    code = "engine.folder_too_large"
    title = "The folder has too many or too large files"
    next_step = "Keep fewer files, or pack them into one."


class Answer(BaseModel):
    """The line of an answer; each operation has its own fields."""

    model_config = ConfigDict(strict=True, frozen=True)


class Failure(Answer):
    """Why something was not done."""

    error: str = Field(max_length=100)
    detail: str


Said = TypeVar("Said", bound=Answer)

_LEAVES: Mapping[str, type[EngineRefused]] = {
    "exists": AttemptFolderExists,
    "missing": AttemptFolderMissing,
    "too_much": FolderTooLarge,
}


class Conversation:
    """How the helper is started for one user, and asked. Holds no connection; any thread may ask."""

    def __init__(self, *, user: str, command: Sequence[str], wait_s: float) -> None:
        self._user, self._command, self._wait_s = user, tuple(command), wait_s

    def ask(
        self,
        request: Mapping[str, object],
        kind: type[Said],
        *,
        body: Iterable[bytes] = (),
        content_bytes_max: int = 0,
        extra_s: float = 0.0,
        has_effect: bool = False,
    ) -> tuple[Said, bytes]:
        """Send one request and return the answer's line and what follows it.

        body: sent after the request, and cut short when it raises OSError; extra_s: more time for what travels;
        has_effect: an answer that does not come leaves open what was done.
        """
        line = json.dumps(request).encode() + b"\n"
        if len(line) > REQUEST_BYTES_MAX:
            raise FolderTooLarge(detail=f"Its list of files alone has {len(line)} bytes.")
        try:
            got = exchange(
                command=self._command,
                sent=itertools.chain([line], body),
                output_bytes_max=_HEADER_BYTES_MAX + content_bytes_max,
                deadline_s=time.monotonic() + self._wait_s + extra_s,
            )
        except OSError as error:  # nothing was started, or a body that ends early was refused
            raise EngineBusy(detail=str(error), retry_after_s=_RETRY_LATER_S) from error
        header, newline, content = got.output.partition(b"\n")
        if got.exit_code == 0 and newline:
            failure = _parse(header, Failure)
            if failure is not None:
                raise self.find_error(failure, runs_program=has_effect and request["op"] in {"submit", "cancel"})
            said = _parse(header, kind)
            if said is not None:
                return said, content
        raise self._cut_off(got, has_effect=has_effect)

    def _cut_off(self, got: Exchanged, *, has_effect: bool) -> EngineRefused | EngineBusy | EngineLost:
        if got.exit_code == 1 and not got.output:  # sudo's own; the helper uses others
            detail = f"sudo does not let the agent act as {self._user}: {got.errors}"
            forbidden = any(words in got.errors for words in _SUDO_FORBIDS)
            return (
                EngineRefused(detail=detail) if forbidden else EngineBusy(detail=detail, retry_after_s=_RETRY_LATER_S)
            )
        how = "did not end in time" if got.exit_code is None else f"ended with exit code {got.exit_code}"
        detail = f"The helper as {self._user} {how}. {got.errors}".strip()
        return EngineLost(detail=detail) if has_effect else EngineBusy(detail=detail, retry_after_s=_RETRY_SOON_S)

    def find_error(self, failure: Failure, *, runs_program: bool) -> LilongError:
        """Return what the helper's reason means; runs_program: a program that was ended could have had an effect."""
        detail = f"{self._user}: {failure.detail[:500]} ({failure.error})"
        if failure.error == "timeout" and runs_program:
            return ProgramEnded(detail=detail)
        if failure.error in _NOTHING_DONE_YET:
            return EngineBusy(detail=detail, retry_after_s=_RETRY_SOON_S)
        return _LEAVES.get(failure.error, EngineRefused)(detail=detail)

    def unclear(self, text: str) -> EngineBusy:
        """Return the error for an answer that cannot be: nothing follows from it."""
        return EngineBusy(detail=f"{self._user}: {text}", retry_after_s=_RETRY_LATER_S)


def _parse(header: bytes, kind: type[Said]) -> Said | None:
    try:
        return kind.model_validate_json(header)
    except ValidationError:
        return None
