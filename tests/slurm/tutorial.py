"""A page of commands as a reader runs them: in order, in a shell, with this machine's names in place of the page's."""

import pwd
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PART = re.compile(r"^## (?P<title>[^\n]+)$|^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page: the heading above it, its kind (sh, toml), its text."""

    title: str
    kind: str
    text: str


def read_blocks(page: Path, *, names: Mapping[str, str]) -> Iterator[Block]:
    """Yield the blocks of a page; `names`: what stands here for what the page says, the longest first."""
    said = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    title = ""
    for part in PART.finditer(page.read_text(encoding="utf-8")):
        if part["title"] is not None:
            title = part["title"]
        else:
            yield Block(title, part["kind"], said.sub(lambda match: names[match[0]], part["text"]))


@dataclass(frozen=True, slots=True)
class Shell:
    """How one of the machine's users runs commands. user: None for who runs the tests; home: their HOME."""

    user: str | None
    home: Path
    environment: Mapping[str, str]

    @property
    def words(self) -> list[str]:
        """What stands before a command: it becomes the user for good, with nothing left of root."""
        if self.user is None:
            return []
        entry = pwd.getpwnam(self.user)
        return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups"]

    def run(self, text: str, *, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run commands of a shell, which ends at the first that fails."""
        return subprocess.run(
            [*self.words, "bash", "-euo", "pipefail", "-c", text],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            env={**self.environment, "HOME": str(self.home)},
            cwd=self.home,
        )

    def do(self, text: str, *, stdin: str = "") -> str:
        """Run commands that have to succeed, and return what they print."""
        done = self.run(text, stdin=stdin)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, command: list[str], *, log: Path, home: Path) -> "subprocess.Popen[bytes]":
        """Start a program that goes on, from `/` as a service does."""
        environment = {**self.environment, "HOME": str(home)}
        with log.open("ab") as file:
            return subprocess.Popen(
                [*self.words, *command], stdout=file, stderr=file, env=environment, cwd="/", start_new_session=True
            )


def list_processes() -> list[tuple[int, str, str]]:
    """Return every process of this machine as (user id, program, command line); what ends meanwhile is left out."""
    found: list[tuple[int, str, str]] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found.append((process.stat().st_uid, str((process / "exe").readlink()), command.strip()))
        except OSError:
            continue
    return found
