"""Resolve requirements to a lock for a pool's profile, before anything is held: what cannot be resolved fails here.

uv resolves wheels only, so nothing of a package runs on the hub. It is never awaited inside a transaction.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from uv import find_uv_bin

from lilong.common.canonical import sha256_hex
from lilong.common.errors import FieldProblem, InputInvalid, LilongError
from lilong.common.sentences import say
from lilong.foundation.runs.core.requirements import (
    LOCK_BYTES_MAX,
    digest_environment,
    explain_failure,
    find_requirement_problems,
    name_uv_platform,
)
from lilong.foundation.runs.models import LockedEnvironment, Pool, Resolution
from lilong.foundation.runs.queries.pools import read_inventory
from lilong.protocol.messages import EnvironmentLock, Profile
from lilong.protocol.spec import RunSpec

RESOLVE_TIMEOUT_S = 120
RESOLUTION_LIFE = timedelta(hours=1)

_PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9.,_ -]+\])?==[^\s@]+( ;[^\\]*)?( \\)?|    --hash=\S+( \\)?|")


class RequirementUnresolvable(InputInvalid):
    """The requirements are refused, contradict each other, or have no wheel for the pool's profile."""

    code = "runs.requirement_unresolvable"
    title = "These requirements cannot be installed there"
    next_step = "Change `environment.requirements`: packages need wheels for the profile's Python and platform."


class ResolverAway(LilongError):
    """The package index or the resolver did not answer in time."""

    code = "runs.resolver_away"
    title = "The package index does not answer"
    status = 503
    next_step = "Ask again in a minute."
    retryable = True


def resolve_environment(*, spec: RunSpec, pool_ids: Sequence[str], now: datetime) -> dict[str, EnvironmentLock]:
    """Return the lock of the spec's environment for each pool. Call it outside of a transaction: it may take seconds.

    Pools with equal profiles share one resolution, kept for an hour. Raises RequirementUnresolvable, naming why.
    """
    problems = find_requirement_problems(spec.environment.requirements)
    if problems:
        raise RequirementUnresolvable(fields=problems)
    locks: dict[Profile, EnvironmentLock] = {}
    found: dict[str, EnvironmentLock] = {}
    for pool in Pool.objects.filter(id__in=set(pool_ids)):
        profile = _find_profile(pool, name=spec.environment.profile)
        if profile not in locks:
            locks[profile] = _resolve(profile, spec.environment.requirements, now=now)
        found[pool.id] = locks[profile]
    return found


def _find_profile(pool: Pool, *, name: str) -> Profile:
    inventory = read_inventory(stored=pool.inventory)
    for profile in inventory.profiles if inventory else ():
        if profile.name == name:
            return profile
    message = say("Pool {pool} has no base profile {profile}.", pool=pool.name, profile=name)
    raise RequirementUnresolvable(
        fields=[FieldProblem(path="environment.profile", code="runs.profile_unknown", message=message)]
    )


def _resolve(profile: Profile, requirements: Sequence[str], *, now: datetime) -> EnvironmentLock:
    key = sha256_hex("\n".join([profile.model_dump_json(), *requirements]).encode())
    fresh = Resolution.objects.filter(id=key, resolved_at__gt=now - RESOLUTION_LIFE).select_related("environment")
    kept = fresh.first()
    if kept is not None:
        return view_environment(row=kept.environment)
    lock = _compile(profile, requirements) if requirements else ""
    environment = EnvironmentLock(
        profile=profile.name,
        python_version=profile.python_version,
        platform=profile.platform,
        lock=lock,
        digest=digest_environment(
            profile=profile.name, python_version=profile.python_version, platform=profile.platform, lock=lock
        ),
    )
    with transaction.atomic():
        keep_environments(environments=[environment])
        Resolution.objects.update_or_create(id=key, defaults={"environment_id": environment.digest, "resolved_at": now})
    return environment


def keep_environments(*, environments: Sequence[EnvironmentLock]) -> None:
    """Keep locks by digest; those that are there stay as they are. One query."""
    rows = [
        LockedEnvironment(
            id=environment.digest,
            profile=environment.profile,
            python_version=environment.python_version,
            platform=environment.platform,
            lock=environment.lock,
        )
        for environment in environments
    ]
    LockedEnvironment.objects.bulk_create({row.id: row for row in rows}.values(), ignore_conflicts=True)


def view_environment(*, row: LockedEnvironment) -> EnvironmentLock:
    """Return the row as agents get it."""
    return EnvironmentLock(
        profile=row.profile,
        python_version=row.python_version,
        platform=row.platform,
        lock=row.lock,
        digest=row.id,
    )


def _compile(profile: Profile, requirements: Sequence[str]) -> str:
    platform = name_uv_platform(profile.platform)
    if platform is None:
        message = say("Nothing can be resolved for the platform {platform}.", platform=profile.platform)
        problem = FieldProblem(path="environment.profile", code="runs.platform_unknown", message=message)
        raise RequirementUnresolvable(fields=[problem])
    command = [
        *(find_uv_bin(), "pip", "compile", "-", "--quiet", "--no-config", "--no-header", "--no-annotate"),
        *("--generate-hashes", "--only-binary", ":all:", "--no-python-downloads", "--python", sys.executable),
        *("--python-version", profile.python_version, "--python-platform", platform),
        *("--color", "never"),
    ]
    if settings.LILONG.package_index_url:
        command += ["--default-index", settings.LILONG.package_index_url]
    with tempfile.TemporaryDirectory(prefix="lilong-resolve-") as folder:
        try:
            done = subprocess.run(
                command,
                input="\n".join(requirements) + "\n",
                capture_output=True,
                text=True,
                timeout=RESOLVE_TIMEOUT_S,
                cwd=folder,
                env=os.environ | {"UV_NO_PROGRESS": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ResolverAway(retry_after_s=60) from error
    if done.returncode != 0:
        raise _explain(done.stderr)
    return _check_lock(done.stdout)


def _explain(stderr: str) -> LilongError:
    reason = explain_failure(stderr)
    if re.search(r"(Failed to fetch|error sending request|Connection refused|timed out|dns error)", stderr):
        return ResolverAway(detail=reason, retry_after_s=60)
    problem = FieldProblem(path="environment.requirements", code=RequirementUnresolvable.code, message=reason)
    return RequirementUnresolvable(detail=reason, fields=[problem])


def _check_lock(lock: str) -> str:
    """Return the lock if it holds pinned packages with hashes and nothing else, and is not too large."""
    strange = next((line for line in lock.splitlines() if not _PINNED.fullmatch(line)), None)
    if strange is not None or len(lock.encode()) > LOCK_BYTES_MAX:
        message = (
            say("The lock is longer than {most} bytes.", most=LOCK_BYTES_MAX)
            if strange is None
            else say("{strange!r} is no pin.", strange=strange)
        )
        problem = FieldProblem(path="environment.requirements", code="runs.lock_refused", message=message)
        raise RequirementUnresolvable(fields=[problem])
    return lock
