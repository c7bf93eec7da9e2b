"""What Slurm's programs print, as values. The answers were taken from real clusters of both versions."""

from datetime import UTC, datetime

import pytest

from lilong.agent.engines.slurm import parsing
from lilong.agent.engines.slurm.commands import parse_job_name
from lilong.agent.engines.slurm.parsing import expand_nodes, parse_accounting, parse_config, parse_queue, parse_time
from tests.unit.agent.slurm.answered import SEPARATOR, VERSIONS, read_answer

both_versions = pytest.mark.parametrize("version", VERSIONS)
HEADER = "JOBID|STATE|UID|PARTITION|SUBMIT_TIME|START_TIME|END_TIME|TIME|NODELIST|REASON|NAME|\n"


def read_queue(version):
    return parse_queue(text=read_answer(version, "queue"), separator=SEPARATOR)


def read_accounting(version):
    return parse_accounting(text=read_answer(version, "accounting"), separator=SEPARATOR)


def read_last_digit(name):
    owned = parse_job_name(name=name)
    return owned.attempt_id[-1] if owned else None


@both_versions
def test_the_queue_tells_every_state(version):
    queue = read_queue(version)
    states = {read_last_digit(row.name): row.state for row in queue.rows}
    states.pop(None)

    assert queue.complete
    assert states == {
        "1": "RUNNING",
        "2": "NODE_FAIL",
        "3": "SUSPENDED",
        "4": "RUNNING",
        "5": "PENDING",
        "6": "PREEMPTED",
        "7": "CANCELLED",
        "8": "CANCELLED",
        "9": "TIMEOUT",
        "a": "FAILED",
        "b": "FAILED",
        "c": "FAILED",
        "d": "COMPLETED",
        "e": "PENDING",
        "f": "COMPLETING",
    }


@both_versions
def test_a_running_job_has_its_node_and_time_and_one_that_waits_has_neither(version):
    rows = {read_last_digit(row.name): row for row in read_queue(version).rows}

    assert (rows["1"].nodes, rows["1"].ended_at) == (("n1",), None)
    assert rows["1"].started_at is not None
    assert 140 <= rows["1"].elapsed_s <= 150
    assert rows["2"].nodes == ("n3", "n4")
    assert rows["3"].elapsed_s < 10
    assert (rows["e"].nodes, rows["e"].elapsed_s, rows["e"].reason) == ((), 0, "Resources")


@both_versions
def test_a_name_may_hold_anything(version):
    names = {row.name for row in read_queue(version).rows}

    assert {"a\nb", "7|RUNNING|离"} <= names


@both_versions
def test_accounting_tells_every_start_of_a_job_in_order(version):
    accounting = read_accounting(version)
    jobs = {read_last_digit(job.name): [segment.state for segment in job.segments] for job in accounting.jobs}

    assert accounting.complete
    assert jobs["4"] == ["REQUEUED", "RUNNING"]
    assert jobs["5"] == ["REQUEUED"]
    assert jobs["2"] == ["NODE_FAIL"]
    assert [job.job_id for job in accounting.jobs] == sorted(job.job_id for job in accounting.jobs)


@both_versions
def test_accounting_tells_who_cancelled_and_how_it_exited(version):
    first = {read_last_digit(job.name): job.segments[0] for job in read_accounting(version).jobs}

    assert (first["7"].state, first["7"].cancelled_by) == ("CANCELLED", 0)
    assert (first["8"].state, first["8"].cancelled_by) == ("CANCELLED", first["8"].uid)
    assert [(first[one].exit_code, first[one].exit_signal) for one in "abc"] == [(3, 0), (0, 9), (0, 53)]
    assert (first["e"].started_at, first["e"].ended_at, first["e"].nodes) == (None, None, ())


@both_versions
def test_accounting_counts_no_suspended_time(version):
    segment = next(job for job in read_accounting(version).jobs if read_last_digit(job.name) == "3").segments[0]

    assert segment.elapsed_s < 10
    assert segment.suspended_s > 130


@both_versions
def test_a_row_that_a_name_pretends_to_be_is_none(version):
    text = read_answer(version, "queue")
    row = text.split(f"{SEPARATOR}\n")[1].replace(SEPARATOR, "|")
    forged = parse_queue(text=text.replace("a\nb", f"a\n{row}|\nb"), separator=SEPARATOR)

    assert forged.complete
    assert [one.job_id for one in forged.rows] == [one.job_id for one in read_queue(version).rows]


@pytest.mark.parametrize("text", ["", "\n", "slurm_load_jobs error: Unable to contact slurm controller\n", HEADER[:-1]])
def test_an_answer_without_its_header_says_nothing(text):
    assert parse_queue(text=text, separator="|") == parsing.Queue(rows=(), complete=False)
    assert parse_accounting(text=text, separator="|") == parsing.Accounting(jobs=(), complete=False)


def test_a_header_alone_says_that_there_are_no_jobs():
    assert parse_queue(text=HEADER, separator="|") == parsing.Queue(rows=(), complete=True)
    assert parse_queue(text=f"Welcome to the cluster!\n{HEADER}", separator="|").complete


@pytest.mark.parametrize(
    "row",
    [
        "seven|RUNNING|1000|main|100|160|N/A|0:40|n1|None|x|",
        "7|running?|1000|main|100|160|N/A|0:40|n1|None|x|",
        "7|RUNNING|1000|main|yesterday|160|N/A|0:40|n1|None|x|",
        "7|RUNNING|1000|main|100|160|N/A|forty|n1|None|x|",
        "7|RUNNING|1000|main|100|160|N/A|0:40|n[1-|None|x|",
        f"7|RUNNING|1000|main|{'9' * 30}|160|N/A|0:40|n1|None|x|",
    ],
)
def test_a_row_that_cannot_be_read_is_left_out_and_missed(row):
    good = "8|PENDING|1000|main|100|N/A|N/A|0:00||Priority|y|"
    queue = parse_queue(text=f"{HEADER}{row}\n{good}\n", separator="|")

    assert [one.job_id for one in queue.rows] == [8]
    assert not queue.complete


@pytest.mark.parametrize("fields", ["", "x|y|"])
def test_a_row_with_too_few_or_too_many_fields_takes_the_rest_with_it_and_is_missed(fields):
    row, good = "7|RUNNING|1000|main|100|160|N/A|0:40|n1|None|", "8|PENDING|1000|main|100|N/A|N/A|0:00||Priority|y|"
    queue = parse_queue(text=f"{HEADER}{row}{fields}\n{good}\n", separator="|")

    assert {one.job_id for one in queue.rows} <= {7}
    assert not queue.complete


def test_a_name_of_lines_forges_no_row_and_hides_none():
    name = "\n9"
    row, good = f"7|RUNNING|1000|main|100|160|N/A|0:40|n1|None|{name}|", "8|PENDING|1000|main|1|N/A|N/A|0:00||x|y|"
    queue = parse_queue(text=f"{HEADER}{row}\n{good}\n", separator="|")

    assert [(one.job_id, one.name) for one in queue.rows] == [(7, name), (8, "y")]
    assert queue.complete


@both_versions
def test_the_configuration_tells_what_the_engine_goes_by(version):
    config = parse_config(text=read_answer(version, "config"))

    assert config.complete
    assert config.version.startswith(version)
    assert (config.cluster, config.accounting, config.private) == ("cluster", True, frozenset())
    assert config.enforced == {"associations", "limits", "qos"}
    assert (config.message_timeout_s, config.kill_wait_s, config.slurmd_timeout_s) == (10, 5, 15)
    assert (config.min_job_age_s, config.values["PreemptMode"]) == (300, "REQUEUE")


def test_a_half_configuration_is_not_complete():
    text = read_answer("24.11", "config")

    assert not parse_config(text=text[: text.index("Slurmctld(")]).complete
    assert parse_config(text="PrivateData = jobs,usage\nKillWait = soon\n").private == {"jobs", "usage"}


@pytest.mark.parametrize(
    ("text", "job_id"),
    [("123\n", 123), ("123;cluster\n", 123), ("Welcome!\n123\n", 123), ("12", None), ("", None), ("no\n", None)],
)
def test_the_number_of_a_new_job_is_read_from_a_whole_line(text, job_id):
    assert parsing.parse_submitted(text=text) == job_id


@pytest.mark.parametrize(
    ("text", "starts_at", "problem"),
    [
        ("sbatch: Job 3 to start at 1772366400 using 8 processors on nodes n[1-2] in partition low\n", 1772366400, ""),
        ("sbatch: Job 3 to start at 2026-03-01T12:00:00 using 1 processors on nodes n1\n", 1772366400, ""),
        ("sbatch: Job 52 to start at Tomorr 21:07 using 1 processors on nodes n1 in partition high\n", None, ""),
        ("sbatch: Job 3 to start at 17723", None, ""),
        ("sbatch: Job 3 to start at now using 1 processors\n", None, ""),
        ("allocation failure: Requested time limit is invalid\n", None, "Requested time limit is invalid"),
        (
            "sbatch: error: invalid partition specified: x\nallocation failure: Invalid partition name specified\n",
            None,
            "Invalid partition name specified",
        ),
        ("sbatch: error: Unable to contact slurm controller\n", None, "Unable to contact slurm controller"),
        ("", None, ""),
    ],
)
def test_the_start_of_a_job_is_estimated_or_refused_in_words(text, starts_at, problem):
    estimate = parsing.parse_start_estimate(text=text)

    assert estimate.starts_at == (None if starts_at is None else datetime.fromtimestamp(starts_at, tz=UTC))
    assert estimate.problem == problem


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("(null)", ()),
        ("None assigned", ()),
        ("n1", ("n1",)),
        ("n[08-10],login", ("n08", "n09", "n10", "login")),
        ("r[1-2]n[1,3]", ("r1n1", "r1n3", "r2n1", "r2n3")),
        ("gpu-[1,3-4].bc", ("gpu-1.bc", "gpu-3.bc", "gpu-4.bc")),
    ],
)
def test_a_list_of_nodes_is_spelt_out(text, names):
    assert expand_nodes(text=text) == names


@pytest.mark.parametrize(
    "text", ["n[1-", "n[1-3", "n[3-1]", "n[a]", "n]", "n1,", ",n1", "n[1-99999999]", "n[1-60000]m[1-9]"]
)
def test_what_is_no_list_of_nodes_is_refused(text):
    with pytest.raises(ValueError, match=r"nodes|int\(\)"):
        expand_nodes(text=text)


@pytest.mark.parametrize("text", ["soon", "12 3", "2026-03-01", "9" * 5000, "9" * 20])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError, match=r"no moment|integer string|out of range"):
        parse_time(text=text)
