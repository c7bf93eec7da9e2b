import base64
import hashlib
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest

from lilong.foundation.runs.models import LockedEnvironment, Resolution
from lilong.foundation.runs.public import RequirementUnresolvable, get_pools, resolve_environment
from lilong.foundation.runs.services.environments import RESOLUTION_LIFE, ResolverAway
from lilong.protocol.messages import Profile
from tests.pools import at, make_inventory, make_spec, open_pool, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def index(settings, tmp_path):
    """Point the hub at a package index of the test's own, and return how to put wheels there."""
    folder = tmp_path / "simple"
    folder.mkdir()
    settings.LILONG = settings.LILONG.model_copy(update={"package_index_url": folder.as_uri()})

    def add(name, version, *, tag="py3-none-any", requires=()):
        project = folder / name
        project.mkdir(exist_ok=True)
        file = project / f"{name}-{version}-{tag}.whl"
        needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
        files = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            "WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        with zipfile.ZipFile(file, "w") as wheel:
            record = f"{name}-{version}.dist-info/RECORD,,\n"
            for part, text in files.items():
                path = f"{name}-{version}.dist-info/{part}"
                wheel.writestr(path, text)
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                record += f"{path},sha256={digest},{len(text)}\n"
            wheel.writestr(f"{name}-{version}.dist-info/RECORD", record)
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        with (project / "index.html").open("a") as page:
            page.write(f'<a href="{file.name}#sha256={sha256}">{file.name}</a>\n')
        return sha256

    return add


def resolve(*requirements, agents, seconds=0):
    spec = make_spec(environment={"requirements": requirements})
    return resolve_environment(spec=spec, pool_ids=[agent.pool_id for agent in agents], now=at(seconds))


def test_requirements_are_resolved_to_a_lock_with_hashes(agent, index):
    digests = [index("leaf", "1.2"), index("tree", "3.0", requires=["leaf>=1"])]
    lock = resolve("tree", agents=[agent])[agent.pool_id]

    assert "leaf==1.2" in lock.lock
    assert "tree==3.0" in lock.lock
    assert all(f"--hash=sha256:{digest}" in lock.lock for digest in digests)
    assert (lock.profile, lock.python_version, lock.platform) == ("python3", "3.11.2", "linux_x86_64")


def test_no_requirements_need_no_resolver(agent, settings):
    settings.LILONG = settings.LILONG.model_copy(update={"package_index_url": "http://127.0.0.1:9/"})

    assert resolve(agents=[agent])[agent.pool_id].lock == ""


def test_what_cannot_be_resolved_is_refused_with_the_resolvers_reason(agent, index):
    index("leaf", "1.2")

    with pytest.raises(RequirementUnresolvable) as missing:
        resolve("leaf", "no-such-thing", agents=[agent])
    with pytest.raises(RequirementUnresolvable) as contradiction:
        resolve("leaf<1", agents=[agent])
    assert "no-such-thing was not found" in missing.value.detail
    assert "leaf" in contradiction.value.fields[0].message
    assert missing.value.fields[0].path == "environment.requirements"


def test_a_package_without_a_wheel_for_the_profile_is_refused(agent, index):
    index("native", "1.0", tag="cp311-cp311-win_amd64")

    with pytest.raises(RequirementUnresolvable):
        resolve("native", agents=[agent])


def test_lines_that_are_no_requirements_never_reach_the_resolver(agent, settings):
    settings.LILONG = settings.LILONG.model_copy(update={"package_index_url": "http://127.0.0.1:9/"})

    with pytest.raises(RequirementUnresolvable) as refused:
        resolve("--index-url http://evil.example", "numpy", agents=[agent])
    assert [field.path for field in refused.value.fields] == ["environment.requirements.0"]


def test_a_resolution_is_kept_for_an_hour_and_shared_between_equal_pools(agent, index):
    other = open_pool("other")
    index("leaf", "1.2")
    first = resolve("leaf", agents=[agent, other])
    index("leaf", "1.3")
    kept = resolve("leaf", agents=[agent], seconds=60)
    later = RESOLUTION_LIFE + timedelta(seconds=1)
    fresh = resolve("leaf", agents=[agent], seconds=later.total_seconds())

    assert first[agent.pool_id] == first[other.pool_id] == kept[agent.pool_id]
    assert "leaf==1.3" in fresh[agent.pool_id].lock
    settle(seconds=2 * later.total_seconds())
    assert not Resolution.objects.exists()
    assert LockedEnvironment.objects.count() == 2


def test_an_index_that_does_not_answer_is_said_to_be_away(agent, settings, monkeypatch):
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    settings.LILONG = settings.LILONG.model_copy(update={"package_index_url": "http://127.0.0.1:9/simple"})

    with pytest.raises(ResolverAway):
        resolve("leaf", agents=[agent])


def look_at(agent):
    return get_pools(pool_ids=[agent.pool_id], now=at(0))[agent.pool_id]


def test_a_profile_that_the_pool_lacks_is_named(agent):
    spec = make_spec(environment={"profile": "cann8"})

    with pytest.raises(RequirementUnresolvable) as refused:
        resolve_environment(spec=spec, pool_ids=[agent.pool_id], now=at(0))
    assert refused.value.fields[0].path == "environment.profile"
    assert [problem.path for problem in look_at(agent).find_problems(spec=spec)] == ["environment.profile"]


def test_a_platform_that_nothing_resolves_for_is_named(agent):
    strange = Profile(name="python3", python_version="3.11.2", platform="plan9_mips")
    agent.sync(seconds=1, inventory=make_inventory().model_copy(update={"profiles": (strange,)}))

    with pytest.raises(RequirementUnresolvable) as refused:
        resolve("leaf", agents=[agent])
    assert "plan9_mips" in refused.value.fields[0].message


def test_a_pool_that_has_not_reported_can_run_nothing(agent):
    silent = replace(look_at(agent), inventory=None)

    assert [problem.code for problem in silent.find_problems(spec=make_spec())] == ["runs.pool_unknown"]
