"""Lilong's own YAML for a run: read it, say of every field what becomes of it, name all problems at once.

Every scalar is read as the text that stands there, so `no`, `1:30` and `007` never turn into something else.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, cast

import yaml
from pydantic import ValidationError

from lilong.common.errors import FieldProblem, InputInvalid, LilongError
from lilong.common.sentences import join_sentences, say
from lilong.common.time import parse_duration_s
from lilong.protocol.accelerators import AcceleratorUnknown, resolve
from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_rules import find_spec_problems
from lilong.protocol.validation import say_validation

SPEC_BYTES_MAX = 64 * 1024
DEPTH_MAX = 8
EVENTS_MAX = 5000
DIGITS_MAX = 12
MIB = 1024**2
_SIZES: Mapping[str, int] = {
    "": 1, "B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024**3, "TiB": 1024**4,
    "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4,
}  # fmt: skip

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree]"


class SpecInvalid(InputInvalid):
    """The file does not say what to run, or says it wrongly; `fields` names every problem."""

    code = "spec.invalid"
    title = "This is not a run that Lilong can do"
    next_step = "Correct the fields named here; `lilong check FILE` shows what becomes of each."


class Verdict(StrEnum):
    """What becomes of a field."""

    HONOURED = "honoured"
    TRANSLATED = "translated"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FieldVerdict:
    """One field of the file, what becomes of it, and a few words on how or why."""

    path: str
    verdict: Verdict
    remark: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All fields of a file in its order; `spec` is None when anything was refused."""

    fields: tuple[FieldVerdict, ...]
    problems: tuple[FieldProblem, ...]
    spec: RunSpec | None


def parse_spec(content: bytes, *, requirement_files: Mapping[str, str] | None = None) -> RunSpec:
    r"""Return the run that the file describes; raises SpecInvalid with every problem.

    requirement_files: text of the file that `requirements_file` names, by that name.

    >>> parse_spec(b"name: a\ncommand: echo hi\nwalltime: 1m").walltime_s
    60
    """
    report = check_text(content, requirement_files=requirement_files)
    if report.spec is None:
        raise SpecInvalid(fields=report.problems)
    return report.spec


def list_fields() -> list[str]:
    """Return the names of the fields that a file may hold, in the order of the reference page."""
    return list(_FIELDS)


def find_requirements_file(content: bytes) -> str | None:
    """Return the name in `environment.requirements_file`, so that the caller can read it; None without one."""
    try:
        environment = _load(content).get("environment")
    except SpecInvalid:
        return None
    name = environment.get("requirements_file") if isinstance(environment, dict) else None
    return name if isinstance(name, str) else None


def check_text(content: bytes, *, requirement_files: Mapping[str, str] | None = None) -> CheckReport:
    """Return what becomes of every field. Never raises for bad content: the problems are in the report."""
    try:
        tree = _load(content)
    except SpecInvalid as error:
        return CheckReport(fields=(), problems=error.fields, spec=None)
    reader = _Reader(requirement_files=requirement_files or {})
    values = reader.read_mapping(tree, _FIELDS, path="")
    spec = None
    if not reader.problems:
        try:
            spec = RunSpec.model_validate(values)
            reader.problems += find_spec_problems(spec)
        except ValidationError as error:
            reader.problems += [_from_pydantic(dict(item)) for item in error.errors()]
    refused = {problem.path for problem in reader.problems}
    fields = [item for item in reader.verdicts if item.path not in refused]
    fields += [FieldVerdict(problem.path, Verdict.REFUSED, problem.message) for problem in reader.problems]
    return CheckReport(tuple(fields), tuple(reader.problems), None if reader.problems else spec)


@dataclass(slots=True)
class _Reader:
    """Walks a tree along a table of fields and notes a verdict for each."""

    requirement_files: Mapping[str, str]
    verdicts: list[FieldVerdict] = field(default_factory=list[FieldVerdict])
    problems: list[FieldProblem] = field(default_factory=list[FieldProblem])

    def refuse(self, path: str, code: str, message: str) -> None:
        self.problems.append(FieldProblem(path=path, code=f"spec.{code}", message=message))

    def note(self, path: str, verdict: Verdict, remark: str = "") -> None:
        self.verdicts.append(FieldVerdict(path, verdict, remark))

    def read_mapping(self, tree: Tree, fields: Mapping[str, "_Field"], *, path: str) -> dict[str, object]:
        values: dict[str, object] = {}
        if not isinstance(tree, dict):
            self.refuse(path or ".", "not_a_mapping", say("Write fields with `name: value` here."))
            return values
        for name, value in tree.items():
            place = f"{path}.{name}" if path else name
            if name in fields:
                values |= fields[name](self, value, place)
            elif name == "description" or name.startswith("x-"):
                self.note(place, Verdict.IGNORED, "kept for people, changes nothing")
            else:
                near = difflib.get_close_matches(name, fields, n=1)
                known = say("There are: {names}.", names=", ".join(sorted(fields)))
                hint = say("Did you mean {name!r}?", name=near[0]) if near else known
                self.refuse(place, "field_unknown", join_sentences(say("There is no such field."), hint))
        return values


_Field: TypeAlias = Callable[[_Reader, Tree, str], dict[str, object]]


def _text(target: str) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        if not isinstance(value, str):
            reader.refuse(path, "not_text", say("Write one value here, not a list or fields."))
            return {}
        reader.note(path, Verdict.HONOURED)
        return {target: value}

    return read


def _number(target: str) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > DIGITS_MAX:
            reader.refuse(path, "not_a_number", say("Write a whole number here."))
            return {}
        reader.note(path, Verdict.HONOURED)
        return {target: int(value)}

    return read


def _yes_or_no(target: str) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        if value not in ("true", "false"):
            reader.refuse(path, "not_true_or_false", say("Write true or false here."))
            return {}
        reader.note(path, Verdict.HONOURED)
        return {target: value == "true"}

    return read


def _duration(target: str) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        try:
            seconds = parse_duration_s(value if isinstance(value, str) else "")
        except LilongError as error:
            reader.refuse(path, "not_a_duration", error.next_step)
            return {}
        reader.note(path, Verdict.TRANSLATED, f"{seconds} s")
        return {target: seconds}

    return read


def _size(target: str, *, unit: int, unit_name: str) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        text = value.replace(" ", "") if isinstance(value, str) else ""
        digits = text.rstrip("BKMGTi")
        scale = _SIZES.get(text[len(digits) :])
        if scale is None or not digits.isascii() or not digits.isdigit() or len(digits) > DIGITS_MAX:
            reader.refuse(path, "not_a_size", say("Write a size such as 512MiB or 4GiB here."))
            return {}
        amount = -(-int(digits) * scale // unit)
        reader.note(path, Verdict.TRANSLATED, f"{amount} {unit_name}")
        return {target: amount}

    return read


def _accelerator(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
    name, colon, count = value.partition(":") if isinstance(value, str) else ("", "", "")
    if name.strip() in ("none", ""):
        reader.note(path, Verdict.TRANSLATED, "no accelerator")
        return {"accelerator": None}
    try:
        accelerator = resolve(name)
    except AcceleratorUnknown as error:
        reader.refuse(path, "accelerator_unknown", error.detail)
        return {}
    if colon:
        return {"accelerator": accelerator.id, **_number("accelerators")(reader, count, path)}
    reader.note(path, Verdict.TRANSLATED, accelerator.id)
    return {"accelerator": accelerator.id}


def _resources(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
    values = reader.read_mapping(value, _RESOURCES, path=path)
    one_each = {"accelerators": 1} if values.get("accelerator") else {}
    return {"resources": one_each | values}


def _mapping(target: str, fields: Mapping[str, _Field]) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        return {target: reader.read_mapping(value, fields, path=path)}

    return read


def _list_of_mappings(target: str, fields: Mapping[str, _Field]) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        if not isinstance(value, list):
            reader.refuse(path, "not_a_list", say("Write a list here: one `- ` a row."))
            return {}
        return {target: [reader.read_mapping(item, fields, path=f"{path}.{at}") for at, item in enumerate(value)]}

    return read


def _list_of_texts(target: str) -> _Field:
    def read(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            reader.refuse(path, "not_a_list", say("Write a list of values here: one `- ` a row."))
            return {}
        reader.note(path, Verdict.HONOURED)
        return {target: value}

    return read


def _variables(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        reader.refuse(path, "not_a_mapping", say("Write `NAME: value` rows here."))
        return {}
    reader.note(path, Verdict.HONOURED)
    return {"variables": value}


def _requirements_file(reader: _Reader, value: Tree, path: str) -> dict[str, object]:
    text = reader.requirement_files.get(value) if isinstance(value, str) else None
    if text is None:
        reader.refuse(path, "file_missing", say("This file is not in the working folder."))
        return {}
    lines = [line.split(" #")[0].strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    reader.note(path, Verdict.TRANSLATED, f"{len(kept)} requirements")
    return {"requirements": kept}


_RESOURCES: Mapping[str, _Field] = {
    "accelerator": _accelerator,
    "accelerators": _number("accelerators"),
    "cores": _number("cores"),
    "memory": _size("memory_mib", unit=MIB, unit_name="MiB"),
    "disk": _size("disk_mib", unit=MIB, unit_name="MiB"),
}
_ENVIRONMENT: Mapping[str, _Field] = {
    "profile": _text("profile"),
    "requirements": _list_of_texts("requirements"),
    "requirements_file": _requirements_file,
}
_INPUT: Mapping[str, _Field] = {
    "object": _text("object_sha256"),
    "volume": _text("volume_id"),
    "mount": _text("mount"),
    "read_only": _yes_or_no("read_only"),
}
_OUTPUT: Mapping[str, _Field] = {"path": _text("path"), "max": _size("max_bytes", unit=1, unit_name="bytes")}
_CHECKPOINT: Mapping[str, _Field] = {
    "path": _text("path"),
    "signal": _text("signal"),
    "grace": _duration("grace_s"),
}
_FIELDS: Mapping[str, _Field] = {
    "name": _text("name"),
    "command": _text("command"),
    "environment": _mapping("environment", _ENVIRONMENT),
    "resources": _resources,
    "nodes": _number("nodes"),
    "variables": _variables,
    "inputs": _list_of_mappings("inputs", _INPUT),
    "outputs": _list_of_mappings("outputs", _OUTPUT),
    "checkpoint": _mapping("checkpoint", _CHECKPOINT),
    "secrets": _list_of_texts("secrets"),
    "network": _text("network"),
    "isolation": _text("isolation"),
    "logs": _text("log_visibility"),
    "walltime": _duration("walltime_s"),
    "on_fault": _text("on_fault"),
    "max_attempts": _number("max_attempts"),
}


def _load(content: bytes) -> dict[str, Tree]:
    """Return the tree in `content`; raises SpecInvalid when it is too large, no UTF-8, no YAML or no mapping."""
    if len(content) > SPEC_BYTES_MAX:
        raise _invalid("too_large", say("The file has more than {most} bytes.", most=SPEC_BYTES_MAX))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid("not_utf8", say("The file is not UTF-8 text.")) from None
    try:
        _refuse_bombs(text)
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise _invalid("not_yaml", say("The file is not YAML: {why}", why=[*str(error).splitlines(), ""][0])) from None
    tree = _to_tree(node, path="")
    if not isinstance(tree, dict):
        raise _invalid("not_a_mapping", say("Begin with fields such as `name:` and `command:`."))
    return tree


def _refuse_bombs(text: str) -> None:
    """Look at one event after the other, before a tree is made: PyYAML's time grows with the square of the depth."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.BaseLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise _invalid("alias_refused", say("Aliases (*name) are not read: write the value out."))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            raise _invalid("too_deep", say("Nothing here nests deeper than {most} levels.", most=DEPTH_MAX))
        if count > EVENTS_MAX:
            raise _invalid("too_many", say("The file holds more values than any run can have."))


def _to_tree(node: object, *, path: str) -> Tree:
    if isinstance(node, yaml.ScalarNode):
        return cast("str", node.value)
    if isinstance(node, yaml.SequenceNode):
        items = cast("Sequence[object]", node.value)
        return [_to_tree(item, path=f"{path}.{at}") for at, item in enumerate(items)]
    tree: dict[str, Tree] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in cast("Sequence[tuple[object, object]]", node.value):
            name = _to_tree(key, path=path)
            place = f"{path}.{name}".lstrip(".")
            if not isinstance(name, str) or name in tree:
                raise _invalid("field_doubled", say("A field stands twice, or its name is not text."), path=place)
            tree[name] = _to_tree(value, path=place)
    return tree


def _invalid(code: str, message: str, *, path: str = ".") -> SpecInvalid:
    return SpecInvalid(fields=[FieldProblem(path=path or ".", code=f"spec.{code}", message=message)])


def _from_pydantic(item: Mapping[str, object]) -> FieldProblem:
    """Name the field as the file does."""
    names = {target: name for name, target in _NAMES_IN_FILE.items()}
    path = ".".join(names.get(str(part), str(part)) for part in cast("tuple[str | int, ...]", item["loc"]))
    return FieldProblem(path=path or ".", code=f"spec.{item['type']}", message=say_validation(item))


_NAMES_IN_FILE: Mapping[str, str] = {
    "memory": "memory_mib",
    "disk": "disk_mib",
    "object": "object_sha256",
    "volume": "volume_id",
    "max": "max_bytes",
    "grace": "grace_s",
    "logs": "log_visibility",
    "walltime": "walltime_s",
}
