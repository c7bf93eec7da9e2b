import json

import pytest
from structlog.testing import capture_logs

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.models import Secret
from lilong.foundation.members.services.vault import reveal_secrets
from tests.people import found_owner, join
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/organisation/secrets"
VALUE = "hunter2-very-secret"


@pytest.fixture
def owner():
    return found_owner(now=utc_now())


def put(client, *, name="HF_TOKEN", value=VALUE, replaces=""):
    return client.post(PATH, {"name": name, "value": value, "replaces": replaces})


def reveal(owner):
    return reveal_secrets(organisation_id=owner.organisation_id, names=["HF_TOKEN"])["HF_TOKEN"]


def test_a_secret_is_kept_and_only_its_name_is_shown(owner, open_page):
    client = browse_as(owner)

    assert put(client)["Location"] == PATH

    page = open_page(client, PATH)
    assert "HF_TOKEN" in page
    assert VALUE not in page
    assert reveal(owner) == VALUE


def test_lines_arrive_in_jobs_with_the_ends_that_they_had(owner):
    put(browse_as(owner), value="-----BEGIN-----\r\nabc\r\n-----END-----\r\n")

    assert reveal(owner) == "-----BEGIN-----\nabc\n-----END-----\n"


def test_a_name_that_is_there_is_replaced_only_through_its_link(owner, open_page):
    client = browse_as(owner)
    put(client)

    refused = put(client, value="other").content.decode()
    assert "To replace it, choose Replace beside it." in refused
    assert reveal(owner) == VALUE

    assert 'value="HF_TOKEN"' in open_page(client, f"{PATH}?name=HF_TOKEN")
    assert put(client, value="other", replaces="HF_TOKEN").status_code == 302
    assert reveal(owner) == "other"


@pytest.mark.parametrize("wrong", [{"name": "lower"}, {"name": ""}, {"value": VALUE + "x" * 32 * 1024}])
def test_a_form_that_is_wrong_never_brings_the_value_back(owner, wrong):
    with capture_logs() as logs:
        answer = put(browse_as(owner), **wrong)

    assert answer.status_code == 200
    assert VALUE not in answer.content.decode()
    assert VALUE not in json.dumps(logs, default=str)
    assert not Secret.objects.exists()


def test_the_value_stands_in_no_log_and_no_page_when_the_hub_fails(owner, monkeypatch):
    def fail(**_):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("lilong.foundation.members.pages.secrets.put_secret", fail)
    with capture_logs() as logs:
        answer = put(browse_as(owner))

    assert answer.status_code == 500
    assert VALUE not in answer.content.decode()
    assert VALUE not in json.dumps(logs, default=str)
    assert any(line["event"] == "request_failed" for line in logs)


def test_a_secret_is_removed(owner, open_page):
    client = browse_as(owner)
    put(client)

    assert client.post(f"{PATH}/HF_TOKEN/remove")["Location"] == PATH
    assert client.post(f"{PATH}/HF_TOKEN/remove").status_code == 404

    assert "There is no secret yet." in open_page(client, PATH)


def test_a_viewer_reads_names_and_changes_nothing(owner, open_page):
    put(browse_as(owner))
    viewer = browse_as(join(owner, Role.VIEWER, now=utc_now()))

    page = open_page(viewer, PATH)
    refused = [put(viewer, name="OTHER").status_code, viewer.post(f"{PATH}/HF_TOKEN/remove").status_code]

    assert "HF_TOKEN" in page
    assert "Replace" not in page
    assert refused == [403, 403]
    assert [row.name for row in Secret.objects.all()] == ["HF_TOKEN"]


def test_another_organisations_names_are_not_shown(owner, open_page):
    put(browse_as(owner))

    assert "HF_TOKEN</code>" not in open_page(browse_as(found_owner(now=utc_now())), PATH)
