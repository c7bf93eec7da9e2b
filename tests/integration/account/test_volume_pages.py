import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.objects.public import find_many, store_contents
from lilong.foundation.runs.models import Run, Volume
from lilong.foundation.runs.queries.volumes import list_uses, read_volume
from lilong.foundation.runs.services.volumes import VolumeChanged, VolumeFull, create_volume, delete_volume, put_file
from lilong.protocol.manifest import ManifestInvalid
from lilong.web.config import load_settings
from tests.bytes import digest
from tests.market import CREDIT, buy, found_buyer, open_stall
from tests.people import found_owner, join
from tests.pools import make_spec
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)
PATH, GIB = "/organisation/volumes", 1024**3


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    settings.LILONG = load_settings().model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    (tmp_path / "objects").mkdir()


@pytest.fixture
def owner():
    return found_owner(now=utc_now())


@pytest.fixture
def volume(owner):
    return create_volume(actor=owner, name="corpus", max_bytes=1000, now=utc_now())


def send(client, volume, content, *, name="a.txt", folder=""):
    file = SimpleUploadedFile(name, content, content_type="text/plain")
    return client.post(f"{PATH}/{volume.id}", {"file": file, "folder": folder})


def read_files(owner, volume):
    return {file.path: file.sha256 for file in read_volume(actor=owner, volume_id=volume.id)[1].files}


def test_a_volume_is_created_and_listed_with_size_and_quota(owner, open_page):
    client = browse_as(owner)

    made = client.post(PATH, {"name": "corpus", "max_gib": "2"})

    assert made["Location"] == f"{PATH}/{Volume.objects.get().id}"
    page = open_page(client, PATH)
    assert "corpus" in page
    assert "2 GiB" in page.replace("\xa0", " ") or "2.0" in page
    assert "nothing now" in page


def test_files_are_put_in_listed_replaced_and_downloaded(owner, volume, open_page, download):
    client = browse_as(owner)

    send(client, volume, b"one")
    send(client, volume, b"two", name="数据 1.txt", folder="train/shards/")
    send(client, volume, b"three")

    assert read_files(owner, volume) == {"a.txt": digest(b"three"), "train/shards/数据 1.txt": digest(b"two")}
    page = open_page(client, f"{PATH}/{volume.id}")
    assert "train/shards/数据 1.txt" in page
    query = {"path": "train/shards/数据 1.txt"}
    assert download(client, f"{PATH}/{volume.id}/file", query) == b"two"
    answer = client.get(f"{PATH}/{volume.id}/file", query)
    answer.close()
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["Content-Security-Policy"] == "sandbox"


def test_an_empty_file_is_a_file(owner, volume):
    send(browse_as(owner), volume, b"")

    assert read_files(owner, volume) == {"a.txt": digest(b"")}


@pytest.mark.parametrize("folder", ["..", "a/../../b", "a\\b", "x" * 600, "a//b"])
def test_a_path_that_leaves_the_volume_is_refused_beside_the_field(owner, volume, folder):
    answer = send(browse_as(owner), volume, b"x", folder=folder)

    assert answer.status_code == 200
    assert b"field-wrong" in answer.content
    assert read_files(owner, volume) == {}


def test_a_path_that_is_a_folder_already_is_refused(owner, volume):
    put_file(actor=owner, volume_id=volume.id, path="a/b", content=b"x", now=utc_now())

    with pytest.raises(ManifestInvalid):
        put_file(actor=owner, volume_id=volume.id, path="a", content=b"y", now=utc_now())


def test_more_than_the_volume_takes_is_refused_before_it_is_stored(owner, volume):
    content = b"y" * 1001
    with pytest.raises(VolumeFull):
        put_file(actor=owner, volume_id=volume.id, path="a", content=content, now=utc_now())

    assert send(browse_as(owner), volume, content).status_code == 429
    assert not find_many(organisation_id=owner.organisation_id, sha256s=[digest(content)])


def test_two_who_put_files_in_at_once_lose_none(owner, volume, monkeypatch):
    def store_while_another_puts(**options):
        monkeypatch.setattr("lilong.foundation.runs.services.volumes.store_contents", store_contents)
        put_file(actor=owner, volume_id=volume.id, path="first", content=b"1", now=utc_now())
        store_contents(**options)

    monkeypatch.setattr("lilong.foundation.runs.services.volumes.store_contents", store_while_another_puts)
    with pytest.raises(VolumeChanged):
        put_file(actor=owner, volume_id=volume.id, path="second", content=b"2", now=utc_now())

    assert read_files(owner, volume) == {"first": digest(b"1")}


def change(client, volume, path, **said):
    return client.post(f"{PATH}/{volume.id}/change", {"path": path, **said})


def test_a_file_is_moved_and_removed_after_a_look_at_it(owner, volume, open_page):
    client = browse_as(owner)
    send(client, volume, b"one")
    send(client, volume, b"two", name="b.txt", folder="train")
    assert f'href="{PATH}/{volume.id}/change?path=train%2Fb.txt"' in open_page(client, f"{PATH}/{volume.id}")
    page = open_page(client, f"{PATH}/{volume.id}/change?path=train%2Fb.txt")
    assert 'value="train/b.txt"' in page
    assert "Yes, remove this file" in page

    assert change(client, volume, "train/b.txt", action="move", new_path="c.txt")["Location"] == f"{PATH}/{volume.id}"
    assert read_files(owner, volume) == {"a.txt": digest(b"one"), "c.txt": digest(b"two")}
    assert change(client, volume, "a.txt", action="remove")["Location"] == f"{PATH}/{volume.id}"
    assert read_files(owner, volume) == {"c.txt": digest(b"two")}
    assert change(client, volume, "a.txt", action="remove").status_code == 404


@pytest.mark.parametrize("new_path", ["", "b.txt", "../a.txt", "/a.txt", "b.txt/a.txt", "dir", "x" * 513])
def test_a_path_that_a_file_cannot_have_is_refused_beside_its_field(owner, volume, new_path):
    client = browse_as(owner)
    send(client, volume, b"one")
    send(client, volume, b"two", name="b.txt")
    send(client, volume, b"three", name="c.txt", folder="dir")
    before = read_files(owner, volume)
    answer = change(client, volume, "a.txt", action="move", new_path=new_path)

    assert (answer.status_code, 'aria-invalid="true"' in answer.content.decode()) == (422, True)
    assert read_files(owner, volume) == before


def test_while_a_run_writes_its_files_stay_and_the_page_says_why(owner, volume, open_page):
    client = browse_as(owner)
    send(client, volume, b"one")
    with transaction.atomic():
        run = Run.objects.create(
            id="run_1",
            organisation_id=owner.organisation_id,
            person_id=owner.person_id,
            name="writer",
            spec={},
            spec_sha256="0" * 64,
            authorised_ms=1,
            created_at=utc_now(),
        )
        Volume.objects.filter(id=volume.id).update(writer=run)

    page = open_page(client, f"{PATH}/{volume.id}/change?path=a.txt")
    assert "A run is writing to it." in page
    assert "Yes, remove this file" not in page
    for said in ({"action": "remove"}, {"action": "move", "new_path": "b.txt"}):
        refused = change(client, volume, "a.txt", **said)
        assert (refused.status_code, "A run is writing to this volume" in refused.content.decode()) == (409, True)
    assert read_files(owner, volume) == {"a.txt": digest(b"one")}


def test_a_file_too_large_for_a_browser_is_refused_unread(owner, volume):
    client = browse_as(owner)
    answer = client.generic("POST", f"{PATH}/{volume.id}", io.BytesIO(b"x").read(), CONTENT_LENGTH=str(64 * 1024**2))

    assert answer.status_code == 413
    assert "lilong volumes put" in answer.content.decode()


def test_a_form_from_elsewhere_is_refused(owner, volume):
    stranger = browse_as(owner, enforce_csrf=True)

    assert send(stranger, volume, b"x").status_code == 403
    assert read_files(owner, volume) == {}


def test_what_uses_a_volume_is_named_and_leads_to_its_order(open_page):
    open_stall()
    buyer = found_buyer(wallet_uc=100 * CREDIT)
    corpus = create_volume(actor=buyer, name="corpus", max_bytes=GIB, now=utc_now())
    put_file(actor=buyer, volume_id=corpus.id, path="a", content=b"x", now=utc_now())
    order = buy(buyer, spec=make_spec(name="reader", inputs=[{"volume_id": corpus.id, "mount": "data"}]))

    client = browse_as(buyer)
    for path in (PATH, f"{PATH}/{corpus.id}"):
        assert f'<a href="/runs/{order.run_id}">reader</a>' in open_page(client, path)
    assert client.get(f"/runs/{order.run_id}")["Location"] == f"/orders/{order.id}"
    assert browse_as(found_buyer()).get(f"/runs/{order.run_id}").status_code == 404
    with transaction.atomic():
        Run.objects.filter(id=order.run_id).update(finished_at=utc_now(), state="succeeded")
    assert list_uses(actor=buyer) == {}


def test_a_volume_is_removed_with_its_files(owner, volume, open_page):
    client = browse_as(owner)
    send(client, volume, b"one")

    assert client.post(f"{PATH}/{volume.id}/remove")["Location"] == PATH

    assert "There is no volume yet." in open_page(client, PATH)
    open_page(client, f"{PATH}/{volume.id}", status=404)


def test_roles_read_and_change_as_over_the_api(owner, volume, open_page, download):
    send(browse_as(owner), volume, b"one")
    viewer, billing = (browse_as(join(owner, role, now=utc_now())) for role in (Role.VIEWER, Role.BILLING))
    file = f"{PATH}/{volume.id}/file?path=a.txt"

    assert download(viewer, file) == b"one"
    assert billing.get(file).status_code == 403
    assert "Your role may not read files." in open_page(billing, f"{PATH}/{volume.id}")
    assert "a.txt" in open_page(viewer, f"{PATH}/{volume.id}")
    for client in (viewer, billing):
        assert send(client, volume, b"x").status_code == 403
        assert client.post(f"{PATH}/{volume.id}/remove").status_code == 403
        assert client.post(PATH, {"name": "other", "max_gib": "1"}).status_code == 403


def test_another_organisations_volume_is_not_there(owner, volume):
    send(browse_as(owner), volume, b"one")
    stranger = browse_as(found_owner(now=utc_now()))

    for path in (f"{PATH}/{volume.id}", f"{PATH}/{volume.id}/file?path=a.txt"):
        assert stranger.get(path).status_code == 404
    assert stranger.post(f"{PATH}/{volume.id}/remove").status_code == 404
    assert browse_as(owner).get(f"{PATH}/{volume.id}/file?path=b").status_code == 404


def test_many_files_stand_on_pages_and_few_queries_show_them(owner, volume, monkeypatch, open_page):
    monkeypatch.setattr("lilong.foundation.runs.pages.volumes.FILES_SHOWN", 2)
    for name in "abc":
        put_file(actor=owner, volume_id=volume.id, path=name, content=name.encode(), now=utc_now())
    client = browse_as(owner)

    assert 'href="?after=b"' in open_page(client, f"{PATH}/{volume.id}")
    assert 'href="?after=' not in open_page(client, f"{PATH}/{volume.id}?after=b")
    for path in (PATH, f"{PATH}/{volume.id}"):
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        assert len(queries) <= 12
    delete_volume(actor=owner, volume_id=volume.id)
