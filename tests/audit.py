"""Ask whether anything in uv.lock has a known vulnerability: `python -m tests.audit`, a part of `make check`.

uv asks osv.dev, which gathers the advisories of PyPI, GitHub and others. Where nobody answers, that is said, and
nothing fails: a network that is down says nothing about the packages.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
IGNORED = Path(__file__).with_suffix(".toml")
COMMAND = ("-m", "uv", "audit", "--frozen", "--output-format", "json")
PREVIEWS = ("--preview-features", "audit-command,json-output")
PATIENCE = {"UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "1"}
SILENCE = ("error sending request", "error decoding response body", "HTTP status server error", "429 Too Many Requests")
IGNORED_DAYS_MAX = 180
FOUND, TROUBLE = 1, 2


class AuditInvalid(ValueError):
    """The list of what is ignored, or the answer of uv, is not what it should be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One package with one known vulnerability. names: its id and the ids that others gave it."""

    package: str
    names: tuple[str, ...]
    fixed_in: tuple[str, ...]
    link: str

    def __str__(self) -> str:
        step = f"mended in {', '.join(self.fixed_in)}" if self.fixed_in else "not mended anywhere yet"
        return f"{self.package} has {', '.join(self.names)}, {step}: {self.link}"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A vulnerability that does not reach us, why, and until when nobody looks at it again."""

    id: str
    reason: str
    until: date


def read_ignored(text: str, *, today: date) -> list[Ignored]:
    """Return the entries of audit.toml; raises AuditInvalid for one without a reason or a near enough end."""
    entries = []
    for given in tomllib.loads(text).get("ignored", []):
        if set(given) != {"id", "reason", "until"} or not given["reason"] or type(given["until"]) is not date:
            raise AuditInvalid(f"audit.toml: each entry has an id, a reason and a date `until`: {given}")
        entry = Ignored(**given)
        if entry.until > today + timedelta(days=IGNORED_DAYS_MAX):
            raise AuditInvalid(f"audit.toml: {entry.id} is ignored for more than {IGNORED_DAYS_MAX} days")
        entries.append(entry)
    return entries


def read_report(text: str) -> list[Finding]:
    """Return the findings in what uv printed; raises AuditInvalid for anything else."""
    try:
        report = json.loads(text)
        findings = [_read_finding(each) for each in report["vulnerabilities"]]
        if report["summary"]["vulnerabilities"] != len(findings) or not report["summary"]["audited_packages"]:
            raise AuditInvalid(f"uv's report contradicts itself: {report['summary']}")
    except (ValueError, KeyError, TypeError) as error:
        raise AuditInvalid(f"uv's report has another form than expected: {error!r}") from error
    return findings


def judge(findings: Sequence[Finding], ignored: Sequence[Ignored], *, today: date) -> list[str]:
    """Return what has to be done: packages to change, entries that are over or have no purpose any more."""
    alive = {entry.id for entry in ignored if entry.until >= today}
    known = {name for finding in findings for name in finding.names}
    return [
        *(str(finding) for finding in findings if not alive & set(finding.names)),
        *(
            f"audit.toml: {each.id} was ignored until {each.until}: look again"
            for each in ignored
            if each.until < today
        ),
        *(f"audit.toml: nothing has {each.id} any more: remove it" for each in ignored if each.id not in known),
    ]


def ask(project: Path, *arguments: str, environment: Mapping[str, str] = PATIENCE) -> list[Finding] | None:
    """Return the findings for a project with a uv.lock; None where nobody answered. Raises AuditInvalid."""
    command = [sys.executable, *COMMAND, *PREVIEWS, *arguments]
    done = subprocess.run(
        command, cwd=project, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode in {0, FOUND}:
        return read_report(done.stdout)
    if any(each in done.stderr for each in SILENCE):
        return None
    raise AuditInvalid(f"uv audit ended with {done.returncode}: {done.stderr.strip()}")


def main(*arguments: str) -> int:
    """Print what was found, and return the exit code."""
    today = datetime.now(UTC).date()
    try:
        ignored = read_ignored(IGNORED.read_text(encoding="utf-8"), today=today)
        findings = ask(REPOSITORY, *arguments)
        problems = [] if findings is None else judge(findings, ignored, today=today)
    except AuditInvalid as error:
        sys.stderr.write(f"{error}\n")
        return TROUBLE
    if findings is None:
        sys.stderr.write("Not audited: osv.dev did not answer, so nobody knows of vulnerabilities. Run it online.\n")
        return 0
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return FOUND if problems else 0


def _read_finding(given: Mapping[str, Any]) -> Finding:
    package = given["dependency"]
    return Finding(
        package=f"{package['name']} {package['version']}",
        names=(given["id"], *given["aliases"]),
        fixed_in=tuple(given["fix_versions"]),
        link=given["link"],
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
