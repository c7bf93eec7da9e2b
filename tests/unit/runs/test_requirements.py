import pytest

from lilong.foundation.runs.core.requirements import (
    REQUIREMENT_LENGTH_MAX,
    explain_failure,
    find_requirement_problems,
)


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy>=1.26,<3",
        "scikit-learn == 1.5.*",
        "jax[cuda12, k8s]~=0.4.30",
        "tomli>=2; python_version < '3.11'",
        "torch (>=2.1)",
        "pkg===1.0+local",
    ],
)
def test_a_name_with_versions_is_taken(line):
    assert not find_requirement_problems([line])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-e .",
        "--index-url https://evil.example",
        "-r other.txt",
        "./wheel.whl",
        "../up",
        "/etc/passwd",
        "file:///etc/passwd",
        "https://x.example/y.whl",
        "a @ https://x.example/y.whl",
        "a @ file:///y.whl",
        "git+https://x.example/y",
        "numpy --hash=sha256:00",
        "numpy\n--index-url https://evil.example",
        "numpy # comment",
        "numpy\\",
        "${HOME}",
        "a" * (REQUIREMENT_LENGTH_MAX + 1),
    ],
)
def test_options_paths_and_addresses_are_refused(line):
    assert [problem.code for problem in find_requirement_problems([line])] == ["runs.requirement_refused"]


def test_the_resolvers_words_lose_their_frame():
    framed = (
        "warning: something\n  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because lilong-nothing was not found in the package registry and you require lilong-nothing, we\n"
        "      can conclude that your requirements are unsatisfiable.\n\nhint: try this\n"
    )

    assert explain_failure(framed) == (
        "Because lilong-nothing was not found in the package registry and you require lilong-nothing, we "
        "can conclude that your requirements are unsatisfiable."
    )
