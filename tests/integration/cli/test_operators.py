"""The commands of operators as people start them: one JSON document, or words with a next step; never a traceback."""

import json
import os
from pathlib import Path

import pytest

from tests.integration.cli.commands import lilong

pytestmark = pytest.mark.sqlite


def told(*arguments: str | Path) -> dict[str, object]:
    done = lilong(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def refused(*arguments: str | Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = lilong(*arguments, "--json", env=env)
    assert done.stdout == ""
    problem = json.loads(done.stderr)
    assert problem["next_step"]
    return done.returncode, problem["code"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("一 hub")
    made = told("init", "--home", folder)
    assert str(made["one_time_token"]).startswith("lilonce_")
    return folder


def test_init_prints_the_token_alone_on_standard_output(home):
    done = lilong("init", "--home", home, "--email", "second@hub.example")

    assert done.returncode == 0
    assert done.stdout.startswith("lilonce_")
    assert len(done.stdout.split()) == 1
    assert f"lilong serve --home {home}" in done.stderr


def test_an_address_that_is_none_is_refused(home):
    assert refused("init", "--home", home, "--email", "nobody") == (3, "hub.email_invalid")


def test_books_and_record_are_verified_and_exported(home, tmp_path):
    assert told("ledger", "verify", "--home", home)["is_balanced"] is True
    assert told("record", "verify", "--home", home)["problems"] == []
    assert told("ledger", "export", tmp_path / "books", "--home", home)["file"] == str(tmp_path / "books")
    assert (tmp_path / "books").read_text(encoding="utf-8")


def test_what_cannot_be_done_is_refused_with_the_exit_code_of_its_kind(home, tmp_path):
    assert refused("ledger", "export", tmp_path / "no" / "books", "--home", home) == (3, "ledger.books_not_written")
    assert refused("ledger", "export", tmp_path / "b", "--until", "now", "--home", home) == (3, "time.moment_invalid")
    assert refused("record", "keys", "--home", home) == (6, "record.key_ring_incomplete")
    assert refused("record", "end-restore", "matched", "--home", home) == (6, "record.not_restoring")
    assert refused("restore", tmp_path / "none.tar", "--home", tmp_path / "new") == (3, "backup.archive_unreadable")


def test_the_sealing_key_is_rotated_and_older_ones_stay_while_pages_may_need_them(home):
    rotated = told("seal", "rotate-key", "--home", home)
    assert (rotated["made_key"], rotated["older_keys"]) == (True, 1)
    assert refused("seal", "drop-old-keys", "--home", home) == (6, "seal.keys_too_young")
    said = lilong("seal", "rotate-key", "--home", home)
    assert f"lilong seal drop-old-keys --home {home}" in said.stderr

    key_file = home / "keys" / "secrets.key"
    os.utime(key_file, (0, 0))
    assert told("seal", "drop-old-keys", "--home", home) == {"dropped": 2}
    assert told("seal", "drop-old-keys", "--home", home) == {"dropped": 0}
    assert len(key_file.read_bytes().split()) == 1


def test_a_backup_is_restored_into_another_folder_and_never_over_a_file_or_a_hub(home, tmp_path):
    archive = tmp_path / "一 backup.tar"
    assert told("backup", archive, "--home", home)["archive"] == str(archive)
    assert refused("backup", archive, "--home", home) == (6, "backup.not_written")
    restored = told("restore", archive, "--home", tmp_path / "new")

    assert restored["record_log"] == 2
    assert told("record", "end-restore", "matched", "--home", tmp_path / "new") == {"reason": "matched"}
    assert refused("restore", archive, "--home", home) == (6, "backup.home_in_use")


def test_wrong_settings_are_named_before_anything_starts(home, tmp_path):
    made = tmp_path / "hub"
    told("init", "--home", made)
    (made / "settings.toml").write_text('bnd = "127.0.0.1:1"\n')
    assert refused("serve", "--home", made) == (3, "hub.settings_invalid")
    (made / "settings.toml").write_text("bind = \n")
    assert refused("serve", "--home", made) == (3, "hub.settings_invalid")


def test_a_hub_without_tables_is_told_how_to_get_them(home, tmp_path):
    made = tmp_path / "hub"
    (made / "keys").mkdir(parents=True)
    assert refused("serve", "--home", made) == (6, "hub.tables_missing")


def test_a_database_that_does_not_answer_is_worth_trying_later(home):
    env = {"LILONG_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    assert refused("ledger", "verify", "--home", home, env=env) == (75, "hub.busy")


def test_a_witness_speaks_json_too(tmp_path):
    made = told("witness", "init", "--home", tmp_path / "w", "--name", "auditor.example/w1")

    assert str(made["key"]).startswith("auditor.example/w1+")
    assert refused("witness", "trust", str(made["key"]), "--home", tmp_path / "w")[0] == 3
    assert refused("witness", "trust", "x/y+00", "--home", tmp_path / "w")[0] == 3
    assert refused("witness", "init", "--home", tmp_path / "w", "--name", "a/b") == (6, "witness.exists")


def test_the_doctor_names_what_is_wrong_with_a_way_to_mend_it_and_ends_with_1(tmp_path):
    assert refused("doctor", "--home", tmp_path / "none")[1] == "hub.home_missing"
    lilong("init", "--home", tmp_path)
    asked = lilong("doctor", "--home", tmp_path, "--json")
    said = lilong("doctor", "--home", tmp_path)
    verdicts = {finding["name"]: finding["verdict"] for finding in json.loads(asked.stdout)["findings"]}

    assert (asked.returncode, said.returncode) == (1, 1)
    assert (verdicts["worker"], verdicts["backup"]) == ("refused", "warning")
    assert {verdicts[name] for name in ("keys", "database", "storage", "books")} == {"fine"}
    assert "refused worker: No worker runs: start" in said.stdout
