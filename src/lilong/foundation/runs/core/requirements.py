"""Requirement lines: which are taken at all, what names a resolved environment, and why a resolution failed."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lilong.common.canonical import sha256_hex
from lilong.common.errors import FieldProblem
from lilong.common.sentences import say

REQUIREMENT_LENGTH_MAX = 300
LOCK_BYTES_MAX = 2 * 1024 * 1024

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\s*\[\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\])?"
_CLAUSE = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
_VERSIONS = rf"(?:\s*(?:{_CLAUSE}(?:\s*,\s*{_CLAUSE})*|\(\s*{_CLAUSE}(?:\s*,\s*{_CLAUSE})*\s*\)))?"
_MARKER = r"(?:\s*;[A-Za-z0-9_.'\"()<>=!~\s,-]+)?"
_REQUIREMENT = re.compile(rf"\s*{_NAME}{_EXTRAS}{_VERSIONS}{_MARKER}\s*")

_HEADINGS = ("warning:", "error: No solution", "No solution", "Using ")

_UV_PLATFORMS: Mapping[str, str] = MappingProxyType(
    {
        "linux_x86_64": "x86_64-manylinux_2_28",
        "linux_aarch64": "aarch64-manylinux_2_28",
        "macosx_arm64": "aarch64-apple-darwin",
        "macosx_x86_64": "x86_64-apple-darwin",
    }
)


def find_requirement_problems(requirements: Sequence[str]) -> list[FieldProblem]:
    """Return why lines are refused: only a name, extras, versions and a marker pass (PEP 508 without addresses).

    >>> [problem.path for problem in find_requirement_problems(["numpy>=1.26", "-e .", "a @ https://x/y.whl"])]
    ['environment.requirements.1', 'environment.requirements.2']
    """
    message = say("Write a package name with versions, such as numpy>=1.26: no options, paths or addresses.")
    return [
        _problem(f".{position}", "requirement_refused", message)
        for position, line in enumerate(requirements)
        if len(line) > REQUIREMENT_LENGTH_MAX or "\n" in line or not _REQUIREMENT.fullmatch(line)
    ]


def name_uv_platform(platform: str) -> str | None:
    """Return uv's word for a platform tag, or None where uv resolves nothing for it.

    >>> name_uv_platform("linux_x86_64")
    'x86_64-manylinux_2_28'
    """
    return _UV_PLATFORMS.get(platform)


def digest_environment(*, profile: str, python_version: str, platform: str, lock: str) -> str:
    """Return the digest that names the built environment; see `EnvironmentLock`.

    >>> digest_environment(profile="python3", python_version="3.11.2", platform="linux_x86_64", lock="")[:8]
    'e5f3f497'
    """
    return sha256_hex("".join(f"{part}\n" for part in (profile, python_version, platform, lock)).encode())


def explain_failure(output: str) -> str:
    r"""Return uv's reason in one paragraph: the causes it names, without frames, headings and hints.

    >>> explain_failure("error: No solution found when resolving dependencies\n  cause: Because a was not found …")
    'Because a was not found …'
    """
    lines = [line.strip(" ×╰─▶│├✗") for line in output.split("\nhint:", maxsplit=1)[0].splitlines()]
    kept = [line.removeprefix("cause: ") for line in lines if line and not line.startswith(_HEADINGS)]
    return " ".join(kept)[:1500] or "The resolver gave no reason."


def _problem(suffix: str, code: str, message: str) -> FieldProblem:
    return FieldProblem(path=f"environment.requirements{suffix}", code=f"runs.{code}", message=message)
