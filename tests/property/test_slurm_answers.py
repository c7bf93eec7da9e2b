"""Answers of Slurm that were cut off, garbled or made up never raise, and never tell of what the whole does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilong.agent.engines.slurm import parsing
from lilong.agent.engines.slurm.commands import QUEUE_FIELDS, build_job_name, parse_job_name
from lilong.agent.engines.slurm.nodes import is_healthy, parse_nodes, parse_partition
from lilong.agent.engines.slurm.reasons import explain_reason
from lilong.common.ids import is_id
from tests.unit.agent.slurm.answered import SEPARATOR, VERSIONS, read_answer

GRES = {"h100-sxm5": "gpu:h100"}
WORDS = st.text(alphabet="ab1_-", min_size=1, max_size=12)


def read_rows(name, text):
    """Return the rows of any answer, and whether it says that it is whole."""
    if name == "queue":
        queue = parsing.parse_queue(text=text, separator=SEPARATOR)
        return list(queue.rows), queue.complete
    if name == "accounting":
        accounting = parsing.parse_accounting(text=text, separator=SEPARATOR)
        return [segment for job in accounting.jobs for segment in job.segments], accounting.complete
    if name == "nodes":
        nodes = parse_nodes(text=text, partition="low", gres=GRES)
        return list(nodes.nodes), nodes.complete
    if name == "partition":
        partition = parse_partition(text=text)
        return [partition] if partition.complete else [], partition.complete
    config = parsing.parse_config(text=text)
    return list(config.values.items()), config.complete


any_answer = pytest.mark.parametrize("name", ["queue", "accounting", "nodes", "partition", "config"])
any_version = pytest.mark.parametrize("version", VERSIONS)


@any_answer
@any_version
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_part_of_an_answer_tells_a_part_of_its_rows(version, name, share):
    whole = read_answer(version, name)
    rows, _ = read_rows(name, whole[: int(len(whole) * share)])
    all_rows, complete = read_rows(name, whole)

    assert complete
    assert [row for row in rows if row not in all_rows] == []


@any_answer
@any_version
@given(share=st.floats(0, 1), noise=st.text(max_size=20), lost=st.integers(0, 40))
def test_a_garbled_answer_is_read_as_far_as_it_goes(version, name, share, noise, lost):
    whole = read_answer(version, name)
    position = int(len(whole) * share)

    read_rows(name, whole[:position] + noise + whole[position + lost :])


@any_answer
@given(text=st.text(max_size=400))
def test_any_text_is_read(name, text):
    rows, complete = read_rows(name, text)

    assert name == "config" or rows == []
    assert not complete


@given(text=st.text(max_size=100))
def test_any_word_is_explained(text):
    assert explain_reason(reason=text)
    assert is_healthy(state=text) in {True, False}
    assert parsing.parse_submitted(text=text) is None or text.strip()
    assert parsing.parse_start_estimate(text=text).starts_at is None


@given(name=st.text(max_size=60).filter(lambda name: SEPARATOR not in name), seen=st.booleans())
def test_any_name_comes_back_from_the_queue_as_it_was(name, seen):
    row = ["7", "RUNNING", "1000", "main", "100", "160", "N/A", "0:40", "n1", "None", name]
    header = ["JOBID", *["X"] * (len(QUEUE_FIELDS) - 2), "NAME"]
    text = "".join(f"{SEPARATOR.join(fields)}{SEPARATOR}\n" for fields in ([header, row] if seen else [header]))
    queue = parsing.parse_queue(text=text, separator=SEPARATOR)

    assert queue.complete
    assert [one.name for one in queue.rows] == ([name] if seen else [])


@given(
    hub_id=WORDS, token=WORDS, prefix=st.text(alphabet="abc", min_size=2, max_size=5), number=st.integers(0, 2**128 - 1)
)
def test_a_name_is_read_back_or_not_made(hub_id, token, prefix, number):
    attempt_id = f"{prefix}_{number:032x}"
    assert is_id(attempt_id, prefix=prefix)
    try:
        name = build_job_name(hub_id=hub_id, token=token, attempt_id=attempt_id)
    except ValueError:
        assert "-" in token
        return
    owned = parse_job_name(name=name)

    assert owned is not None
    assert (owned.hub_id, owned.token, owned.attempt_id) == (hub_id, token, attempt_id)
