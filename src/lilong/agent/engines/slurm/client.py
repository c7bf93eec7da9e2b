"""Run the cluster's own programs as the agent's user and return what they say. IO only; nothing is decided here."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lilong.agent.engines.slurm.commands import QUERY_ENVIRONMENT
from lilong.common.errors import EngineBusy

_WORDS_MAX = 800


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed, and how it ended."""

    code: int
    output: str
    errors: str


class Cluster:
    """The programs of one cluster."""

    def __init__(self, *, bin: Path, conf: Path | None, timeout_s: float) -> None:  # noqa: A002 - as in agent.toml
        self._bin = bin
        self._timeout_s = timeout_s
        self._environment: Mapping[str, str] = {
            **QUERY_ENVIRONMENT,
            "PATH": f"{bin}:/usr/local/bin:/usr/bin:/bin",
            **({"SLURM_CONF": str(conf)} if conf else {}),
        }

    def run(self, command: Sequence[str], *, text: str = "") -> Said:
        """Run a program with `text` on its standard input; raises EngineBusy when it cannot be run to its end."""
        try:
            process = subprocess.Popen(
                [str(self._bin / command[0]), *command[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=self._environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise EngineBusy(detail=f"{command[0]} cannot be started: {error}") from error
        with process:
            try:
                output, errors = process.communicate(text, timeout=self._timeout_s)
            except subprocess.TimeoutExpired as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what a site's own script has started holds the pipes, too
                raise EngineBusy(detail=f"{command[0]} has not answered for {self._timeout_s:g} s.") from error
        return Said(code=process.returncode, output=output, errors=errors)

    def ask(self, command: Sequence[str]) -> Said:
        """Return what a query printed; raises EngineBusy with the program's words when it fails."""
        said = self.run(command)
        if said.code:
            words = said.errors.strip()[-_WORDS_MAX:] or f"exit code {said.code}"
            raise EngineBusy(detail=f"{command[0]}: {words}")
        return said
