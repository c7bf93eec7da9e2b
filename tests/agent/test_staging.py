"""Files for jobs: laid out exactly as named, fetched once, resumed, verified, and never outside the work folder."""

import os
import threading

import pytest

from lilong.agent.cache import ObjectCache, ObjectDamaged
from lilong.agent.hub import HubAway, HubClient, HubRefused
from lilong.agent.spool import Spool
from lilong.agent.staging import DiskTooSmall, HostDiskFull, Progress, SecretFolders, Stager, StagingInvalid
from lilong.common.canonical import canonical_json
from lilong.common.ids import new_id
from lilong.protocol.manifest import Manifest, ManifestFile, ManifestInvalid
from lilong.protocol.messages import Submit
from lilong.protocol.spec import Checkpoint, Input, Resources, RunSpec
from tests.contract.engines import make_lock


@pytest.fixture
def cache(tmp_path, peer):
    hub = HubClient(hub_url=peer.url, pool_token=peer.token)
    yield ObjectCache(folder=tmp_path / "cache", hub=hub)
    hub.close()


@pytest.fixture
def stage(tmp_path, cache):
    spool = Spool(home=tmp_path)

    def run(spec, *, free_disk_bytes=0, progress=None, **fields):
        attempt_id = new_id("att")
        given = {"attempt_id": attempt_id, "run_id": "r", "number": 1, "organisation_id": "o", "token": "t"}
        given |= {"nonce": "n", "environment": make_lock(), "authorised_ms": 1, "epoch": 1, "spec": spec}
        folder = spool.create(attempt_id, {})
        stager = Stager(cache=cache, free_disk_bytes=free_disk_bytes)
        stager.stage(submit=Submit.model_validate(given | fields), folder=folder, progress=progress or Progress())
        return folder.work

    return run


def make_spec(**fields):
    return RunSpec.model_validate({"name": "job", "command": "true", "walltime_s": 1} | fields)


def store_folder(peer, files, *, executable=()):
    entries = [
        ManifestFile(path=path, sha256=peer.store(body), size_bytes=len(body), executable=path in executable)
        for path, body in files.items()
    ]
    return peer.store(Manifest(files=tuple(entries)).to_bytes())


def read_tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_checkpoint_volume_and_input_lie_over_the_working_folder(stage, peer):
    workdir = store_folder(peer, {"a.py": b"a", "ck/old": b"old", "data/x": b"mine"}, executable={"a.py"})
    spec = make_spec(
        workdir_sha256=workdir,
        checkpoint=Checkpoint(path="ck"),
        inputs=(
            Input(object_sha256=peer.store(b"in"), mount="data/in"),
            Input(volume_id="vol_1", mount="vol"),
            Input(volume_id="vol_2", mount="empty", read_only=False),
        ),
    )

    work = stage(
        spec,
        checkpoint_sha256=store_folder(peer, {"step": b"7"}),
        volumes={"vol_1": store_folder(peer, {"d/e": b"volume"})},
    )

    assert read_tree(work) == {"a.py": b"a", "ck/step": b"7", "data/x": b"mine", "data/in": b"in", "vol/d/e": b"volume"}
    assert (work / "empty").is_dir()
    assert (work / "a.py").stat().st_mode & 0o100
    assert (work / "data/in").stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a/../../x", "a//b", "a\\..\\b", ""])
def test_a_path_that_leaves_the_work_folder_is_refused(stage, peer, path, tmp_path):
    digest = peer.store(b"x")
    manifest = {"files": [{"executable": False, "path": path, "sha256": digest, "size_bytes": 1}]}

    with pytest.raises(ManifestInvalid):
        stage(make_spec(workdir_sha256=peer.store(canonical_json(manifest))))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mount", ["../out", "/tmp/out", "a/../../x"])
def test_an_input_that_leaves_the_work_folder_is_refused(stage, peer, mount):
    with pytest.raises(StagingInvalid):
        stage(make_spec(inputs=(Input(object_sha256=peer.store(b"x"), mount=mount),)))


@pytest.mark.parametrize("mount", ["a", "a/b"])
def test_two_things_in_one_place_are_refused(stage, peer, mount):
    workdir = store_folder(peer, {"a/x": b"1"} if mount == "a" else {"a": b"1"})

    with pytest.raises(StagingInvalid):
        stage(make_spec(workdir_sha256=workdir, inputs=(Input(object_sha256=peer.store(b"x"), mount=mount),)))


def test_more_than_the_jobs_disk_is_refused_before_it_is_fetched(stage, peer):
    bomb = ManifestFile(path="bomb", sha256="0" * 64, size_bytes=10 * 1024**3)
    workdir = peer.store(Manifest(files=(bomb,)).to_bytes())

    with pytest.raises(DiskTooSmall):
        stage(make_spec(workdir_sha256=workdir, resources=Resources(disk_mib=100)))


def test_a_machine_without_room_says_so(stage, peer):
    with pytest.raises(HostDiskFull):
        stage(make_spec(workdir_sha256=store_folder(peer, {"a": b"1"})), free_disk_bytes=2**60)


def test_files_of_one_content_are_fetched_once_and_progress_is_told(stage, peer, cache):
    body = os.urandom(100_000)
    workdir = store_folder(peer, {"a": body, "b": body})
    asked = peer.list_asked()

    progress = Progress()
    stage(make_spec(workdir_sha256=workdir), progress=progress)
    stage(make_spec(workdir_sha256=workdir))

    assert len(asked) == 2
    assert progress.total_bytes == 200_000
    assert progress.done_bytes > 100_000


def test_a_fetch_that_was_cut_off_goes_on_where_it_was(cache, peer):
    body = os.urandom(300_000)
    digest = peer.store(body)
    peer.cut_after = 100_000
    came: list[int] = []

    with pytest.raises(HubAway):
        cache.fetch(attempt_id="att_1", sha256=digest, on_bytes=came.append)
    peer.cut_after = None
    path = cache.fetch(attempt_id="att_1", sha256=digest, on_bytes=came.append)

    assert path.read_bytes() == body
    assert sum(came) == len(body)


def test_an_object_with_another_content_never_counts(cache, peer):
    digest = peer.store(b"right")
    peer.objects[digest] = b"wrong"

    with pytest.raises(ObjectDamaged):
        cache.fetch(attempt_id="att_1", sha256=digest, on_bytes=lambda _: None)
    peer.objects[digest] = b"right"

    assert cache.fetch(attempt_id="att_1", sha256=digest, on_bytes=lambda _: None).read_bytes() == b"right"


def test_an_object_that_the_hub_does_not_give_is_refused(cache):
    with pytest.raises(HubRefused):
        cache.fetch(attempt_id="att_1", sha256="0" * 64, on_bytes=lambda _: None)


def test_two_fetches_of_one_object_become_one(cache, peer):
    digest = peer.store(os.urandom(500_000))
    asked = peer.list_asked()
    threads = [
        threading.Thread(target=cache.fetch, kwargs={"attempt_id": "a", "sha256": digest, "on_bytes": lambda _: None})
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(asked) == 1


def test_the_cache_forgets_what_was_used_longest_ago(cache, peer):
    paths = []
    for number in range(3):
        path = cache.fetch(attempt_id="a", sha256=peer.store(bytes([number]) * 1000), on_bytes=lambda _: None)
        os.utime(path, (number, number))
        paths.append(path)

    cache.clean(keep_bytes=1500)

    assert [path.exists() for path in paths] == [False, False, True]


def test_secrets_lie_in_memory_readable_by_their_owner_alone(tmp_path):
    secrets = SecretFolders(home=tmp_path)
    secrets.write(attempt_id="att_1", values={"KEY": "välue"})
    secrets.write(attempt_id="att_2", values={"KEY": "other"})

    folder = secrets.find("att_1")
    assert folder is not None
    assert str(folder).startswith("/dev/shm/")
    assert (folder / "KEY").read_text() == "välue"
    assert (folder / "KEY").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StagingInvalid, match="OTHER"):
        secrets.require(attempt_id="att_1", names=("KEY", "OTHER"))
    secrets.drop_others({"att_2"})
    assert secrets.find("att_1") is None
    assert secrets.find("att_2") is not None
    secrets.drop("att_2")
    assert secrets.find("att_2") is None
    folder.parent.rmdir()
