from dataclasses import replace

import pytest

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Role
from lilong.foundation.objects.models import Hold
from lilong.foundation.objects.queries import ObjectMissing
from lilong.foundation.runs.queries.volumes import VolumeFileMissing, VolumeMissing, get_volume, list_volumes
from lilong.foundation.runs.services.runs import SubmissionInvalid, VolumeBusy
from lilong.foundation.runs.services.volumes import (
    VolumeFull,
    VolumeInvalid,
    VolumeNameTaken,
    VolumesReached,
    VolumeWritten,
    create_volume,
    delete_volume,
    move_file,
    put_volume,
    remove_file,
)
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.messages import AttemptState, VolumeNote
from tests.bytes import digest, fresh, upload
from tests.pools import MEMBER, ORGANISATION, at, bring, get_input, look, make_spec, pack, settle, submit

pytestmark = pytest.mark.django_db
S = AttemptState


def create(name="corpus", *, max_bytes=1000, actor=MEMBER):
    return create_volume(actor=actor, name=name, max_bytes=max_bytes, now=at(0))


def put(volume, manifest, *, actor=MEMBER):
    return put_volume(actor=actor, volume_id=volume.id, manifest_sha256=manifest, now=at(1))


def mount(volume, *, read_only=True):
    return make_spec(inputs=[{"volume_id": volume.id, "mount": "data", "read_only": read_only}])


def see_end_with_volume(agent, taken, volume, content):
    """Let an attempt succeed and leave `content` in the volume that it wrote to."""
    bring(agent, taken, content)
    files = (ManifestFile(path="kept.bin", sha256=digest(content), size_bytes=len(content)),)
    note = VolumeNote(
        volume_id=volume.id,
        manifest_sha256=bring(agent, taken, Manifest(files=files).to_bytes()),
        size_bytes=len(content),
    )
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000, volumes=(note,)), seconds=9)
    settle(seconds=10)
    return note.manifest_sha256


def test_creating_a_volume_again_finds_it(db):
    assert create() == create()
    with pytest.raises(VolumeNameTaken):
        create(max_bytes=2000)


@pytest.mark.parametrize("wrong", [{"name": "Not A Name"}, {"max_bytes": 0}, {"max_bytes": 2**60}])
def test_a_volume_needs_a_name_and_a_size(db, wrong):
    with pytest.raises(VolumeInvalid):
        create(**wrong)


def test_volumes_are_bounded_in_number(db):
    for number in range(100):
        create(f"v{number}")

    with pytest.raises(VolumesReached):
        create("one-more")


def test_content_is_held_and_replaced_as_a_whole(db):
    volume, first, second = create(), pack(a=fresh(10)), pack(b=fresh(20), c=fresh(30))
    put(volume, first)
    full = put(volume, second)
    held = Hold.objects.filter(dropped=False).values_list("holder", flat=True)

    assert (full.version, full.manifest_sha256, full.size_bytes) == (2, second, 50)
    assert set(held) == {f"{volume.id}.2"}
    assert len(held) == 3


def test_content_that_is_too_large_or_not_there_is_refused(db):
    volume = create(max_bytes=9)

    with pytest.raises(VolumeFull):
        put(volume, pack(a=fresh(10)))
    with pytest.raises(ObjectMissing):
        put(volume, digest(fresh(5)))
    files = (ManifestFile(path="gone", sha256=digest(fresh(5)), size_bytes=5),)
    with pytest.raises(ObjectMissing):
        put(volume, upload(Manifest(files=files).to_bytes(), organisation_id=ORGANISATION))
    assert get_volume(actor=MEMBER, volume_id=volume.id).version == 0


def test_other_organisations_see_no_volume(db):
    volume, stranger = create(), replace(MEMBER, organisation_id="org_other")

    assert list_volumes(actor=stranger, cursor=None, limit=10).items == []
    with pytest.raises(VolumeMissing):
        get_volume(actor=stranger, volume_id=volume.id)
    with pytest.raises(VolumeMissing):
        delete_volume(actor=stranger, volume_id=volume.id)
    with pytest.raises(NotAllowed):
        create(actor=replace(MEMBER, role=Role.VIEWER))


def test_a_run_reads_the_content_that_was_there_when_it_was_ordered(agent):
    volume, content = create(), fresh(10)
    first = put(volume, pack(a=content)).manifest_sha256
    submit(agent, spec=mount(volume))
    put(volume, pack(b=fresh(20)))
    taken = agent.take(seconds=2)

    assert taken.volumes == {volume.id: first}
    assert get_input(agent, taken, digest(content)) == content


def test_a_run_keeps_the_file_that_was_taken_out_of_the_volume_it_reads(agent):
    volume, content = create(), fresh(10)
    first = put(volume, pack(a=content, b=fresh(20))).manifest_sha256
    submit(agent, spec=mount(volume))
    remove_file(actor=MEMBER, volume_id=volume.id, path="a", now=at(1))
    move_file(actor=MEMBER, volume_id=volume.id, path="b", new_path="a", now=at(1))
    taken = agent.take(seconds=2)

    assert taken.volumes == {volume.id: first}
    assert get_input(agent, taken, digest(content)) == content
    left = get_volume(actor=MEMBER, volume_id=volume.id)
    assert (left.version, left.size_bytes) == (3, 20)


def test_a_file_of_a_volume_that_a_run_writes_to_stays(agent):
    volume = create()
    put(volume, pack(a=fresh(10)))
    submit(agent, spec=mount(volume, read_only=False))

    with pytest.raises(VolumeWritten):
        remove_file(actor=MEMBER, volume_id=volume.id, path="a", now=at(1))
    with pytest.raises(VolumeWritten):
        move_file(actor=MEMBER, volume_id=volume.id, path="a", new_path="b", now=at(1))
    assert get_volume(actor=MEMBER, volume_id=volume.id).version == 1


def test_the_bytes_of_a_file_that_nothing_needs_are_let_go(db):
    volume = create()
    put(volume, pack(a=fresh(10)))
    remove_file(actor=MEMBER, volume_id=volume.id, path="a", now=at(1))

    held = Hold.objects.filter(dropped=False)
    assert [each.holder for each in held] == [f"{volume.id}.2"]
    with pytest.raises(VolumeFileMissing):
        remove_file(actor=MEMBER, volume_id=volume.id, path="a", now=at(1))


def test_an_empty_volume_has_no_content_to_mount(agent):
    submit(agent, spec=mount(create()))

    assert agent.take(seconds=2).volumes == {}


def test_what_a_run_leaves_in_a_volume_is_its_new_content(agent):
    volume = create()
    run_id = submit(agent, spec=mount(volume, read_only=False))
    taken = agent.take(seconds=2)
    assert get_volume(actor=MEMBER, volume_id=volume.id).writer_run_id == run_id

    manifest = see_end_with_volume(agent, taken, volume, fresh(40))
    written = get_volume(actor=MEMBER, volume_id=volume.id)
    assert (written.version, written.manifest_sha256, written.size_bytes) == (1, manifest, 40)
    assert written.writer_run_id == ""


def test_content_beyond_the_volume_is_handed_over_as_artefacts(agent):
    volume = create(max_bytes=10)
    run_id = submit(agent, spec=mount(volume, read_only=False))
    see_end_with_volume(agent, agent.take(seconds=2), volume, fresh(40))

    assert get_volume(actor=MEMBER, volume_id=volume.id).version == 0
    assert [artefact.path for artefact in look(run_id).artefacts] == ["corpus/kept.bin"]


def test_one_run_at_a_time_writes_to_a_volume(agent):
    volume = create()
    submit(agent, spec=mount(volume, read_only=False))

    submit(agent, spec=mount(volume))
    with pytest.raises(VolumeBusy):
        submit(agent, spec=mount(volume, read_only=False))
    with pytest.raises(VolumeWritten):
        put(volume, pack(a=fresh(1)))
    with pytest.raises(VolumeWritten):
        delete_volume(actor=MEMBER, volume_id=volume.id)


def test_a_volume_that_is_not_there_is_refused(agent):
    stranger = replace(MEMBER, organisation_id="org_other")
    foreign = create(actor=stranger)

    with pytest.raises(SubmissionInvalid):
        submit(agent, spec=mount(foreign))


def test_a_deleted_volume_lets_its_content_go(db):
    volume = create()
    put(volume, pack(a=fresh(10)))
    delete_volume(actor=MEMBER, volume_id=volume.id)

    assert not Hold.objects.filter(dropped=False).exists()
    assert list_volumes(actor=MEMBER, cursor=None, limit=10).items == []
