import yaml
from hypothesis import given
from hypothesis import strategies as st

from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_yaml import check_text

FIELDS = ["name", "command", "walltime", "resources", "outputs", "inputs", "environment", "checkpoint", "variables"]
LEAVES = st.text(max_size=12) | st.sampled_from(["1m", "4GiB", "a", "none", "H100", "../x", "true", "2"])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "path", "max", "mount", "memory", "accelerator"]) | LEAVES, inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_report(content):
    report = check_text(content)

    assert (report.spec is None) == bool(report.problems)


@given(st.dictionaries(st.sampled_from(FIELDS), TREES, max_size=6))
def test_any_tree_gives_a_run_or_problems_with_paths(tree):
    report = check_text(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))

    assert isinstance(report.spec, RunSpec) or all(problem.path and problem.message for problem in report.problems)
