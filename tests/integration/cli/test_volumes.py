"""Single files of a volume from the command line, and so by SDK and API, through a web process."""

import json

import pytest

from lilong.common.time import utc_now
from lilong.foundation.runs.services.volumes import create_volume
from tests.integration.cli.commands import lilong
from tests.people import act, found_organisation_today
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


def test_files_are_listed_moved_and_removed_once_somebody_says_yes(tmp_path):
    folder = tmp_path / "folder"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "one.txt").write_text("one")
    (folder / "two.txt").write_text("two")
    token = found_organisation_today().token.secret
    volume_id = create_volume(actor=act(token, now=utc_now()), name="corpus", max_bytes=1000, now=utc_now()).id
    with running_web(home=tmp_path / "home") as web:

        def run(*arguments, code=0):
            env = {"LILONG_HUB": web.url, "LILONG_TOKEN": token}
            done = lilong("volumes", *arguments, "--json", env=env)
            assert done.returncode == code, done.stderr
            return json.loads(done.stderr if code else done.stdout)

        def list_paths():
            return [file["path"] for file in run("files", volume_id)]

        assert list_paths() == []
        run("put", volume_id, folder)
        assert list_paths() == ["train/one.txt", "two.txt"]
        assert run("move-file", volume_id, "train/one.txt", "two.txt", code=3)["code"] == "runs.volume_path_invalid"
        assert run("move-file", volume_id, "train/one.txt", "three.txt")["version"] == 2
        assert run("remove-file", volume_id, "two.txt", code=3)["code"] == "cli.removal_unconfirmed"
        assert list_paths() == ["three.txt", "two.txt"]
        assert run("remove-file", volume_id, "two.txt", "--yes")["size_bytes"] == 3
        assert list_paths() == ["three.txt"]
        assert run("remove-file", volume_id, "two.txt", "--yes", code=5)["code"] == "runs.volume_file_missing"
