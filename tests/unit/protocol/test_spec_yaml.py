from pathlib import Path

import pytest

from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_yaml import SPEC_BYTES_MAX, SpecInvalid, Verdict, check_text, list_fields, parse_spec

WHOLE = """
description: for people
name: digits
command: |
  python train.py
  echo done
environment: {profile: python3, requirements: ["numpy>=1.26"]}
resources: {accelerators: 4, accelerator: 昇腾 910B, cores: 2, memory: 4GiB, disk: 1000MB}
nodes: 2
variables: {ANSWER: "no", TIME: 1:30}
inputs: [{volume: vol_1, mount: corpus, read_only: false}]
outputs: [{path: model, max: 50MiB}]
checkpoint: {path: checkpoint, signal: USR1, grace: 1m30s}
secrets: [HF_TOKEN]
logs: submitter
walltime: 90m
""".encode()


def read(text: str) -> RunSpec:
    return parse_spec(f"name: a\ncommand: c\nwalltime: 1m\n{text}".encode())


def codes(content: bytes) -> dict[str, str]:
    return {problem.path: problem.code for problem in check_text(content).problems}


def test_a_whole_file_is_read_with_its_units():
    spec = parse_spec(WHOLE)

    assert (spec.walltime_s, spec.nodes, spec.resources.memory_mib, spec.resources.disk_mib) == (5400, 2, 4096, 954)
    assert (spec.resources.accelerator, spec.resources.accelerators) == ("ascend-910b", 4)
    assert spec.checkpoint is not None
    assert spec.checkpoint.grace_s == 90
    assert spec.command == "python train.py\necho done\n"


def test_words_that_yaml_would_turn_into_something_else_stay_text():
    assert parse_spec(WHOLE).variables == {"ANSWER": "no", "TIME": "1:30"}


def test_every_field_gets_a_verdict():
    verdicts = {item.path: item.verdict for item in check_text(WHOLE).fields}

    assert verdicts["description"] is Verdict.IGNORED
    assert verdicts["walltime"] is Verdict.TRANSLATED
    assert verdicts["command"] is Verdict.HONOURED
    assert check_text(WHOLE.replace(b"nodes: 2", b"nodes: two")).fields[-1].verdict is Verdict.REFUSED


def test_one_accelerator_is_meant_when_no_count_is_given():
    assert read("resources: {accelerator: H100}").resources.accelerators == 1
    assert read("resources: {accelerator: 'H100:8'}").resources.accelerators == 8
    assert read("resources: {accelerator: none}").resources.accelerator is None


def test_a_requirements_file_is_read_without_its_comments():
    content = b"name: a\ncommand: c\nwalltime: 1m\nenvironment: {requirements_file: r.txt}"
    spec = parse_spec(content, requirement_files={"r.txt": "# two\nnumpy>=1  # arrays\n\nscipy\n"})

    assert spec.environment.requirements == ("numpy>=1", "scipy")
    assert codes(content) == {"environment.requirements_file": "spec.file_missing"}


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (b"a: &x 1\nb: *x", ".", "spec.alias_refused"),
        (b"name: a\nname: b", "name", "spec.field_doubled"),
        (b"- x", ".", "spec.not_a_mapping"),
        (b"\xff", ".", "spec.not_utf8"),
        (b"a: [", ".", "spec.not_yaml"),
        (b"a: " + b"[" * 12 + b"]" * 12, ".", "spec.too_deep"),
        (b"[" * 60_000, ".", "spec.too_deep"),
        (b"- " * 30_000, ".", "spec.too_deep"),
        (b"name: a\ncommand: b\nsecrets: [" + b"A," * 10_000 + b"]", ".", "spec.too_many"),
        (b"#" * (SPEC_BYTES_MAX + 1), ".", "spec.too_large"),
        (b'name: a\nwalltime: 1m\ncommand: "a\\e[31m"', "command", "spec.character_refused"),
        (b"comand: x", "comand", "spec.field_unknown"),
        (b"walltime: soon", "walltime", "spec.not_a_duration"),
        (b"nodes: -1", "nodes", "spec.not_a_number"),
        (b"resources: {memory: 4 gigs}", "resources.memory", "spec.not_a_size"),
        (b"resources: {accelerator: H1000}", "resources.accelerator", "spec.accelerator_unknown"),
        (b"resources: {accelerator: 'H100:many'}", "resources.accelerator", "spec.not_a_number"),
        (b"peers: []", "peers", "spec.field_unknown"),
    ],
)
def test_a_file_is_refused_with_the_place_of_the_problem(content: bytes, path: str, code: str):
    found = codes(content)

    assert found[path] == code


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("outputs: [{path: ../x, max: 1}]", "outputs.0.path", "spec.path_unsafe"),
        ("outputs: [{path: /etc, max: 1}]", "outputs.0.path", "spec.path_unsafe"),
        ('outputs: [{path: "a\\x7f", max: 1}]', "outputs.0.path", "spec.path_unsafe"),
        ("outputs: [{path: a, max: 1}, {path: a/b, max: 1}]", "outputs.1.path", "spec.path_overlaps"),
        ("checkpoint: {path: c, signal: KILL}", "checkpoint.signal", "spec.signal_unknown"),
        ("inputs: [{mount: a}]", "inputs.0", "spec.source_missing"),
        ("variables: {LILONG_RANK: '1'}", "variables.LILONG_RANK", "spec.variable_refused"),
        ("resources: {accelerators: 2}", "resources.accelerators", "spec.count_missing"),
    ],
)
def test_rules_beyond_types_are_kept(text: str, path: str, code: str):
    with pytest.raises(SpecInvalid) as caught:
        read(text)

    assert (path, code) in [(problem.path, problem.code) for problem in caught.value.fields]


def test_the_reference_page_names_every_field():
    page = Path("docs/reference/run-spec.md").read_text(encoding="utf-8")
    groups = {"environment": "profile", "resources": "cores", "checkpoint": "path"}

    for name in list_fields():
        assert f"`{name}.{groups[name]}`" in page if name in groups else f"`{name}`" in page
