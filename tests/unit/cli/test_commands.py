"""What commands say and how they end where no hub is needed."""

import json
import stat

import pytest
from typer.testing import CliRunner

from docs.generate import list_commands
from lilong.cli.credentials import Credentials, SignedIn, credentials_path, load_credentials, save_credentials
from lilong.cli.main import app

GOOD = "name: a\ncommand: echo hi\nwalltime: 1m\n"
# They serve until stopped; their output is a log, or for the witness the line that a hub's settings take.
SERVERS = {"lilong web", "lilong worker", "lilong agent serve", "lilong witness serve"}
runner = CliRunner()


@pytest.fixture(autouse=True)
def own_config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LILONG_TOKEN", raising=False)
    monkeypatch.delenv("LILONG_HUB", raising=False)


def write_job(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return str(path)


def test_a_good_file_passes_the_check_with_a_verdict_for_each_field(tmp_path):
    done = runner.invoke(app, ["check", write_job(tmp_path, GOOD), "--json"])

    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["ok"]
    assert [field["path"] for field in told["fields"]] == ["name", "command", "walltime"]


def test_a_wrong_field_is_refused_with_its_name_and_exit_code_3(tmp_path):
    done = runner.invoke(app, ["check", write_job(tmp_path, f"{GOOD}walltme: 2m\n")])

    assert done.exit_code == 3
    assert "walltme" in done.stderr
    assert "Next:" in done.stderr


def test_a_missing_file_is_refused_as_a_problem_document_with_json(tmp_path):
    done = runner.invoke(app, ["check", str(tmp_path / "none.yaml"), "--json"])

    assert done.exit_code == 3
    assert json.loads(done.stderr)["code"] == "cli.job_file_missing"


def test_a_requirements_file_outside_of_the_folder_is_not_read(tmp_path):
    (tmp_path / "secret.txt").write_text("numpy\n")
    folder = tmp_path / "job"
    folder.mkdir()
    done = runner.invoke(app, ["check", write_job(folder, f"{GOOD}environment:\n  requirements_file: ../secret.txt\n")])

    assert done.exit_code == 3
    assert "not in the working folder" in done.stderr


@pytest.mark.parametrize("command", [["shop"], ["orders"], ["whoami"], ["wallet"], ["secrets", "list"]])
def test_without_a_sign_in_every_command_says_how_to_sign_in(command):
    done = runner.invoke(app, command)

    assert done.exit_code == 4
    assert "lilong login" in done.stderr


def test_a_token_is_never_sent_unencrypted_over_a_network():
    done = runner.invoke(app, ["login", "http://hub.example"], input="lil_x\n")

    assert done.exit_code == 3
    assert "unencrypted" in done.stderr


def test_signing_in_with_nothing_says_where_the_token_goes():
    done = runner.invoke(app, ["login", "http://127.0.0.1:9", "--json"], input="\n")

    assert done.exit_code == 3
    assert json.loads(done.stderr)["code"] == "cli.token_missing"


def test_a_hub_that_does_not_answer_is_named_and_worth_trying_later():
    done = runner.invoke(app, ["login", "http://127.0.0.1:9"], input="lil_x\n")

    assert done.exit_code == 75
    assert "http://127.0.0.1:9: " in done.stderr
    assert "lilong serve" in done.stderr


def test_credentials_of_several_hubs_are_kept_for_this_user_alone():
    one, two = SignedIn(token="lil_1", person="A"), SignedIn(token="lil_2")
    save_credentials(Credentials().sign_in("https://one.example", one).sign_in("https://two.example", two))
    kept = load_credentials()

    assert kept.current == "https://two.example"
    assert kept.hubs["https://one.example"] == one
    assert stat.S_IMODE(credentials_path().stat().st_mode) == 0o600
    assert kept.sign_out("https://two.example").current == "https://one.example"
    assert "lil_1" not in repr(kept)


def test_a_broken_credentials_file_is_named():
    credentials_path().parent.mkdir(parents=True)
    credentials_path().write_text("{")
    done = runner.invoke(app, ["whoami"])

    assert done.exit_code == 3
    assert "credentials.json" in done.stderr


def test_every_command_speaks_json_but_for_those_that_serve():
    mute = [path for path, command in list_commands() if "--json" not in {o for p in command.params for o in p.opts}]

    assert set(mute) == SERVERS


HOME_COMMANDS = [
    ["serve"], ["backup", "x.tar"], ["ledger", "verify"], ["ledger", "export", "x"], ["record", "verify"],
    ["record", "keys"], ["record", "rotate-key"], ["record", "end-restore", "matched"],
]  # fmt: skip


@pytest.mark.parametrize("command", HOME_COMMANDS)
def test_a_folder_without_a_hub_is_refused_and_left_as_it_is(command, tmp_path):
    done = runner.invoke(app, [*command, "--home", str(tmp_path), "--json"])

    assert done.exit_code == 6
    assert json.loads(done.stderr)["code"] == "hub.home_missing"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    done = runner.invoke(app, ["init", "--home", str(tmp_path / "file" / "hub")])

    assert done.exit_code == 3
    assert str(tmp_path / "file") in done.stderr
    assert "Next:" in done.stderr
