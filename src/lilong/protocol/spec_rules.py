"""What a RunSpec must keep beyond the types of its fields: the same rules in the file and at the quote."""

from collections.abc import Sequence
from itertools import pairwise

from lilong.common.errors import FieldProblem
from lilong.common.sentences import say
from lilong.protocol.accelerators import AcceleratorUnknown, resolve
from lilong.protocol.manifest import has_controls, is_safe_path
from lilong.protocol.spec import MOUNTS_MAX, RunSpec

SIGNALS = frozenset({"TERM", "INT", "HUP", "USR1", "USR2"})
VARIABLE_BYTES_MAX = 4096
_RESERVED_PREFIX = "LILONG_"


def find_spec_problems(spec: RunSpec) -> list[FieldProblem]:
    """Return everything that no pool could honour, with the path of each field.

    >>> [problem.path for problem in find_spec_problems(RunSpec(name="a", command="true", walltime_s=1))]
    []
    """
    return [
        *_find_text_problems(spec),
        *_find_path_problems(spec),
        *_find_accelerator_problems(spec),
        *_find_variable_problems(spec),
    ]


def _find_text_problems(spec: RunSpec) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    if any(has_controls(line) for line in spec.command.replace("\t", " ").split("\n")):
        message = say("It holds a control character other than tab and newline.")
        problems.append(_problem("command", "character_refused", message))
    if spec.checkpoint is not None and spec.checkpoint.signal not in SIGNALS:
        message = say("Take one of {signals}.", signals=", ".join(sorted(SIGNALS)))
        problems.append(_problem("checkpoint.signal", "signal_unknown", message))
    if len(set(spec.secrets)) < len(spec.secrets):
        problems.append(_problem("secrets", "doubled", say("A secret stands twice.")))
    return problems


def _find_path_problems(spec: RunSpec) -> list[FieldProblem]:
    places = [(f"inputs.{index}.mount", item.mount) for index, item in enumerate(spec.inputs)]
    kept = [(f"outputs.{index}.path", item.path) for index, item in enumerate(spec.outputs)]
    if spec.checkpoint is not None:
        kept.append(("checkpoint.path", spec.checkpoint.path))
    if len(places) + len(kept) > MOUNTS_MAX:
        return [_problem("inputs", "too_many", say("At most {most} inputs and outputs are taken.", most=MOUNTS_MAX))]
    problems = [
        _problem(field, "path_unsafe", say("Name a place inside the work folder, without .. and without a leading /."))
        for field, path in (*places, *kept)
        if not is_safe_path(path.removesuffix("/"))
    ]
    for index, item in enumerate(spec.inputs):
        if (item.object_sha256 is None) == (item.volume_id is None):
            problems.append(_problem(f"inputs.{index}", "source_missing", say("Name either an object or a volume.")))
        if item.object_sha256 is not None and not item.read_only:
            message = say("An object never changes: mount it read-only, or use a volume.")
            problems.append(_problem(f"inputs.{index}.read_only", "object_writable", message))
    return [*problems, *_find_overlaps(places), *_find_overlaps(kept)]


def _find_overlaps(places: Sequence[tuple[str, str]]) -> list[FieldProblem]:
    ordered = sorted((path.rstrip("/").split("/"), field) for field, path in places)
    return [
        _problem(field, "path_overlaps", say("It lies inside {outer!r}, which is named too.", outer="/".join(outer)))
        for (outer, _), (inner, field) in pairwise(ordered)
        if inner[: len(outer)] == outer
    ]


def _find_accelerator_problems(spec: RunSpec) -> list[FieldProblem]:
    wanted = spec.resources
    if (wanted.accelerator is None) != (wanted.accelerators == 0):
        message = say("Name an accelerator and how many of it, or neither.")
        return [_problem("resources.accelerators", "count_missing", message)]
    if wanted.accelerator is None:
        return []
    try:
        accelerator = resolve(wanted.accelerator)
    except AcceleratorUnknown as error:
        return [_problem("resources.accelerator", "accelerator_unknown", error.detail)]
    if accelerator.id != wanted.accelerator:
        message = say("Its id in the registry is {accelerator_id!r}.", accelerator_id=accelerator.id)
        return [_problem("resources.accelerator", "accelerator_not_by_id", message)]
    return []


def _find_variable_problems(spec: RunSpec) -> list[FieldProblem]:
    problems = [
        _problem(
            f"variables.{name}",
            "variable_refused",
            say("Names that begin with {prefix} are ours.", prefix=_RESERVED_PREFIX),
        )
        for name in spec.variables
        if name.startswith(_RESERVED_PREFIX)
    ]
    problems += [
        _problem(
            f"variables.{name}",
            "variable_refused",
            say("At most {most} bytes and no NUL.", most=VARIABLE_BYTES_MAX),
        )
        for name, value in spec.variables.items()
        if "\0" in value or len(value.encode("utf-8", "surrogatepass")) > VARIABLE_BYTES_MAX
    ]
    return problems


def _problem(path: str, code: str, message: str) -> FieldProblem:
    return FieldProblem(path=path, code=f"spec.{code}", message=message)
