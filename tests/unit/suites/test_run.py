import os
from threading import Event

import pytest

from tests.run import Result, Suite, print_table, read_suites, run_lanes, run_suite

PASSING = "def test_it_passes():\n    assert True\n"
SKIPPING = "import pytest\n\ndef test_it_skips():\n    pytest.skip('no such machine')\n"
FAILING = "def test_it_fails():\n    raise AssertionError\n"
ENDLESS = "import threading\n\ndef test_it_hangs():\n    threading.Event().wait()\n"


@pytest.fixture
def run(tmp_path):
    """Run a suite that consists of one file of tests."""

    def run_text(text: str, *, minutes: float = 1) -> Result:
        file = tmp_path / "test_it.py"
        file.write_text(text)
        suite = Suite(name="it", arguments=(str(file),), database="sqlite", minutes=minutes, lane="hub")
        return run_suite(suite, environment=os.environ, report=tmp_path / "report.xml", stop=Event())

    return run_text


def test_a_suite_that_passes_is_counted(run):
    result = run(PASSING)

    assert (result.passed, result.failures, result.skips, result.outcome) == (1, (), (), "passed")


def test_a_suite_that_fails_is_told(run):
    result = run(FAILING)

    assert (result.passed, result.outcome) == (0, "failed")
    assert result.failures == ("test_it::test_it_fails: AssertionError",)


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "skipped tests")])
def test_a_skip_is_named_and_fails_where_everything_can_be_installed(run, monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    result = run(SKIPPING)

    assert result.outcome == outcome
    assert "no such machine" in result.skips[0]


def test_a_suite_over_its_budget_is_stopped_and_has_failed(run):
    result = run(ENDLESS, minutes=0.05)

    assert result.outcome == "stopped: over 0.05 min"
    assert result.failures == (result.outcome,)
    assert result.seconds < 30


def test_a_suite_without_a_test_has_failed(run):
    assert run("").outcome == "found no test"


def test_what_failed_is_named_before_the_sums_which_stand_alone_on_the_last_line(capsys):
    suite = Suite(name="it", arguments=(), database="sqlite", minutes=1, lane="hub")
    print_table(
        [
            Result(suite=suite, passed=3, skips=("a: why",)),
            Result(suite=suite, passed=1, failures=("b: this", "c: that"), trouble="x"),
        ]
    )

    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "4 passed, 2 failed, 1 skipped"
    assert [line for line in lines if line.startswith("failed")] == [
        "failed in it on sqlite: b: this",
        "failed in it on sqlite: c: that",
    ]


MEETS = """from pathlib import Path
from tests.polling import wait_until

def test_it_meets_the_other():
    Path({mine!r}).touch()
    wait_until(Path({other!r}).exists, within_s=30)
    print({mine!r})
"""


def test_suites_of_two_lanes_run_at_once_and_are_told_in_their_order_each_in_one_piece(tmp_path, capsys):
    suites = []
    for mine, other in (("a", "b"), ("b", "a")):
        file = tmp_path / f"test_{mine}.py"
        file.write_text(MEETS.format(mine=str(tmp_path / mine), other=str(tmp_path / other)))
        arguments = ("-s", str(file))
        suites.append(Suite(name=mine, arguments=arguments, database="sqlite", minutes=1, lane=f"lane {mine}"))

    results = run_lanes(suites, environment=os.environ, folder=tmp_path)

    assert [(one.suite.name, one.passed, one.failures) for one in results] == [("a", 1, ()), ("b", 1, ())]
    shown = capsys.readouterr().out
    for name in ("a", "b"):
        assert str(tmp_path / name) in shown.split(f"=== {name} on sqlite")[1].split("===")[0]


def test_an_unknown_suite_is_refused_with_those_that_exist():
    with pytest.raises(SystemExit, match=r"No such suite: nonsense\. There are: unit"):
        read_suites(names=["nonsense"])
