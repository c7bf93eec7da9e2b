"""Build package environments from locks: wheels alone, hashes required, one folder per digest, read-only for jobs.

No code of a package runs here: the environment's own interpreter, which would read its .pth files, is never started
outside a sandbox once packages are in it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from uv import find_uv_bin

from lilong.agent.engines.local.host import may_reach
from lilong.agent.engines.port import BaseProfile
from lilong.agent.packages import find_index_options
from lilong.agent.settings import PackageSettings
from lilong.common.canonical import sha256_hex
from lilong.common.errors import EngineRefused, LilongError
from lilong.protocol.messages import EnvironmentLock, Profile

_DESCRIBE = (
    "import sys, sysconfig; print(sys.version.split()[0], sysconfig.get_platform().replace('-', '_'), sys.base_prefix)"
)
_VENV_S, _INSTALL_S, _COMPILE_S = 60, 1800, 600
_USED, _CACHE = ".used", ".uv-cache"


class ProfileUnusable(EngineRefused):
    """A base interpreter is missing, broken, or in a folder that jobs' users may not enter."""

    code = "agent.profile_unusable"
    title = "This base interpreter cannot be used for jobs"
    next_step = "Name one that every user may read, such as /usr/bin/python3, under [profiles] in agent.toml."


class EnvironmentFailed(LilongError):
    """An environment could not be built; `detail` is what uv said."""

    code = "agent.environment_failed"
    title = "The package environment could not be built"
    status = 502
    next_step = "Check that this machine reaches the package index named in agent.toml or in uv's own settings."


def read_profile(*, name: str, interpreter: Path, for_other_users: bool) -> BaseProfile:
    """Return the profile of a base interpreter; raises ProfileUnusable with the fix.

    for_other_users: jobs run as users of their own, who must be able to read it.
    """
    try:
        done = subprocess.run(
            [str(interpreter), "-I", "-S", "-c", _DESCRIBE], check=True, capture_output=True, text=True, timeout=30
        )
        version, platform, prefix = done.stdout.strip().split(" ", 2)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ProfileUnusable(detail=f"{interpreter} cannot be run: {error}") from error
    closed = for_other_users and (may_reach(path=interpreter.resolve()) or may_reach(path=Path(prefix)))
    if closed:
        raise ProfileUnusable(detail=f"{interpreter} needs {closed}, which other users may not enter.")
    profile = Profile(name=name, python_version=version, platform=platform)
    return BaseProfile(interpreter=interpreter.resolve(), prefix=Path(prefix), profile=profile)


class EnvironmentStore:
    """The built environments of one agent, by digest."""

    def __init__(self, *, folder: Path, profiles: Mapping[str, BaseProfile], packages: PackageSettings) -> None:
        self._folder = folder
        self._profiles = dict(profiles)
        self._packages = packages
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)

    def build(self, lock: EnvironmentLock) -> Path:
        """Return the folder of the environment, building it when it is not there yet; raises EnvironmentFailed.

        Two callers of one digest, in one process or two, build it once. A killed build leaves nothing that counts.
        """
        base = self._check(lock)
        final = self._folder / lock.digest
        with (self._folder / f".{lock.digest}.lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not final.exists():
                fresh = self._folder / f".fresh-{lock.digest}"
                shutil.rmtree(fresh, ignore_errors=True)
                self._install(base, lock=lock, folder=fresh)
                os.sync()
                fresh.rename(final)
            (final / _USED).touch()
        return final

    def find(self, digest: str) -> Path:
        """Return where the environment with this digest is once it is built."""
        return self._folder / digest

    def clean(self, *, keep: int, in_use: Collection[Path]) -> None:
        """Delete the environments that were not used for longest, beyond `keep`."""
        built = [path for path in self._folder.iterdir() if not path.name.startswith(".") and path.is_dir()]
        built.sort(key=lambda path: (path / _USED).stat().st_mtime if (path / _USED).exists() else 0.0, reverse=True)
        for path in built[keep:]:
            if path not in in_use:
                doomed = path.with_name(f".fresh-{path.name}")
                path.rename(doomed)
                shutil.rmtree(doomed, ignore_errors=True)

    def _check(self, lock: EnvironmentLock) -> BaseProfile:
        parts = (lock.profile, lock.python_version, lock.platform, lock.lock)
        if sha256_hex("".join(f"{part}\n" for part in parts).encode()) != lock.digest:
            raise EnvironmentFailed(detail="The lock does not have the digest that it claims.")
        base = self._profiles.get(lock.profile)
        if base is None:
            raise EnvironmentFailed(detail=f"There is no base profile {lock.profile} here.")
        here = base.profile
        if (here.python_version, here.platform) != (lock.python_version, lock.platform):
            asked = f"Python {lock.python_version} on {lock.platform}"
            detail = f"Locked for {asked}; here is Python {here.python_version} on {here.platform}."
            raise EnvironmentFailed(detail=detail)
        return base

    def _install(self, base: BaseProfile, *, lock: EnvironmentLock, folder: Path) -> None:
        uv = find_uv_bin()
        folder_text, python = str(folder), str(base.interpreter)
        venv = [uv, "venv", "--quiet", "--relocatable", "--no-project", "--python", python, folder_text]
        _run(venv, timeout_s=_VENV_S, cache=self._folder / _CACHE)
        if not any(line.strip() and not line.lstrip().startswith("#") for line in lock.lock.splitlines()):
            return
        requirements = folder / "lilong-lock.txt"
        requirements.write_text(lock.lock, encoding="utf-8")
        install = [uv, "pip", "install", "--quiet", "--python", folder_text, "--require-hashes", "--no-deps"]
        install += ["--only-binary", ":all:", *find_index_options(self._packages), "-r", str(requirements)]
        _run(install, timeout_s=_INSTALL_S, cache=self._folder / _CACHE)
        for packages in folder.glob("lib/python*/site-packages"):
            _compile(python=python, folder=packages)


def _run(command: list[str], *, timeout_s: int, cache: Path) -> None:
    """Run uv with the operator's own configuration; raises EnvironmentFailed with its last words.

    cache: of uv's, for an account whose home is missing or not its own to write, as those of services are.
    """
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    if not _may_write(Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")):
        environment.setdefault("UV_CACHE_DIR", str(cache))
    if "PIP_CERT" in environment:
        environment.setdefault("SSL_CERT_FILE", environment["PIP_CERT"])
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env=environment,
            cwd="/",
            umask=0o022,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailed(detail=f"uv did not end within {timeout_s} s.") from error
    except OSError as error:
        raise EnvironmentFailed(detail=f"uv cannot be started: {error}") from error
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip() or f"uv ended with exit code {done.returncode}."
        raise EnvironmentFailed(detail=words[-800:])


def _may_write(folder: Path) -> bool:
    """Return whether we may write there, or make it where it is not."""
    nearest = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    return os.access(nearest, os.W_OK | os.X_OK)


def _compile(*, python: str, folder: Path) -> None:
    """Compile to bytecode with the bare base interpreter: jobs cannot, and would pay. A failure only costs time."""
    command = [python, "-I", "-S", "-m", "compileall", "-q", "-j", str(os.cpu_count() or 1), str(folder)]
    try:
        subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMPILE_S,
            cwd="/",
            umask=0o022,
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"compileall: {error}", file=sys.stderr)  # noqa: T201 - the agent's log
