"""What an error says is a sentence that pages can say in another language, not a text that is finished in English."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from string import Formatter

import pytest

from lilong.web.texts import read_catalogue
from tests.architecture.house import Source, list_sources, parse

FLOORS = tuple(f"src/lilong/{floor}" for floor in ("common", "protocol", "foundation", "platforms", "web"))
"""What pages show. Agent, witness, SDK and command line speak English alone."""

SAYING = frozenset({"detail", "message"})
MAKERS = frozenset({"say", "join_sentences", "Sentence"})
SAID_WHERE_IT_WAS_MADE = frozenset({"detail", "message", "title", "next_step", "reason", "remedy", "standing_refusal"})

COMMANDS_ALONE: Mapping[str, str] = {
    "src/lilong/common/systemd.py": "a unit is made by commands",
    "src/lilong/common/django/tables.py": "tables are looked at before pages are served",
    "src/lilong/foundation/ledger/management/": "a command of operators",
    "src/lilong/foundation/objects/services/copies.py": "objects are copied by a command",
    "src/lilong/foundation/record/core/witnesses.py": "settings are read before pages are served",
    "src/lilong/foundation/record/services/key_files.py": "keys of the record are kept by commands",
    "src/lilong/protocol/checkpoint.py": "programs of the hub and of witnesses say it to each other",
    "src/lilong/protocol/evidence.py": "programs of the hub and of witnesses say it to each other",
    "src/lilong/protocol/witnessing.py": "programs of the hub and of witnesses say it to each other",
    "src/lilong/web/archive.py": "backups are made by commands",
    "src/lilong/web/config.py": "settings are read before pages are served",
    "src/lilong/web/copying.py": "a command of operators",
    "src/lilong/web/management/": "commands of operators",
    "src/lilong/web/sealing.py": "the sealing key is changed by commands",
    "src/lilong/web/standstill.py": "commands look whether the hub stands still",
}
"""Files, or folders of them, whose errors no page shows, with the reason."""

EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "src/lilong/common/errors.py": {"message": "a sentence that was kept, as it was kept"},
    "src/lilong/common/django/problems.py": {
        "str(error)": "words of django-ninja, for programs",
        "str(item.get('msg', ''))": "words of pydantic, for programs",
    },
    "src/lilong/foundation/members/services/evidence.py": {"text": "problems by field, each said where it was found"},
    "src/lilong/foundation/notices/services/mails.py": {"message": "a mail"},
    "src/lilong/foundation/notices/services/webhooks.py": {"endpoint": "said in core/endpoints.py"},
    "src/lilong/foundation/objects/s3_client.py": {
        "str(error)": "words of boto3",
        "f'{type(error).__name__}.'": "a name in boto3",
    },
    "src/lilong/foundation/runs/api/agents.py": {"item['msg']": "words of pydantic, for agents"},
    "src/lilong/foundation/runs/services/environments.py": {"reason": "words of uv"},
    "src/lilong/foundation/runs/services/volumes.py": {"repr(new_path[:200])": "a path alone"},
    "src/lilong/platforms/funding/core/choosing.py": {"explain(refused=refused)": "said in core/deciding.py"},
    "src/lilong/platforms/funding/core/rules.py": {
        "each['msg']": "words of pydantic, for who writes a rule's document"
    },
    "src/lilong/platforms/funding/services/programmes.py": {"name": "a name alone"},
    "src/lilong/platforms/supermarket/services/shelf.py": {
        "organisation_id": "an id alone",
        "offer_id": "an id alone",
    },
    "src/lilong/protocol/spec_yaml.py": {"say_validation(item)": "a sentence, or words of pydantic"},
}
"""Expressions that are no sentences of ours, by file, with the reason."""


@cache
def list_speakers() -> frozenset[str]:
    """Return the names of all that carries a detail or message to somebody: field problems, refusals, errors."""
    bases = {
        node.name: {ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases}
        for source in list_sources("src/lilong")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"LilongError"}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return frozenset(found | {"FieldProblem", "Refusal", "Verdict"})


@cache
def list_sayers() -> frozenset[str]:
    """Return the names of functions that return nothing but sentences, wherever one of that name is."""
    sources = list_sources(*FLOORS)
    found: dict[str, bool] = {}
    for function in (function for source in sources for function in source.functions()):
        returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        says = bool(returned) and all(value is not None and _is_said(value, function, MAKERS) for value in returned)
        found[function.name] = says and found.get(function.name, True)
    return MAKERS | {name for name, says in found.items() if says}


def find_unsaid(source: Source) -> dict[str, int]:
    """Return the details and messages of a module that are no sentences: each expression with its line."""
    return {ast.unparse(value): value.lineno for value in _list_unsaid(source)}


def _list_unsaid(source: Source) -> Iterator[ast.expr]:
    functions = list(source.functions())
    owners = {node: function for function in functions for node in ast.walk(function)}
    helpers = {function.name: place for function in functions if (place := _find_place(function)) is not None}
    for call in (node for node in ast.walk(source.tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func).rsplit(".", 1)[-1]
        around = owners.get(call, source.tree)
        saying = SAYING | {"reason"} if name == "Verdict" else SAYING
        given = [each.value for each in call.keywords if each.arg in saying and name in list_speakers() | set(helpers)]
        place = 2 if name == "FieldProblem" else helpers.get(name)
        given += call.args[place : place + 1] if place is not None else []
        yield from (value for value in given if not _is_said(value, around, list_sayers()))


def _find_place(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int | None:
    """Return at which place a function takes the text that it makes a problem of."""
    places = [each.arg for each in function.args.args if each.arg != "self"]
    return next((places.index(name) for name in SAYING if name in places), None)


def _is_said(value: ast.expr, around: ast.AST, sayers: frozenset[str]) -> bool:
    match value:
        case ast.Constant(value="" | None):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in sayers
        case ast.IfExp(body=body, orelse=orelse):
            return _is_said(body, around, sayers) and _is_said(orelse, around, sayers)
        case ast.BoolOp(values=values):
            return all(_is_said(each, around, sayers) for each in values)
        case ast.Attribute(attr=name):
            return name in SAID_WHERE_IT_WAS_MADE
        case ast.Name(id=name):
            return _is_name_said(name, around, sayers)
    return False


def _is_name_said(name: str, around: ast.AST, sayers: frozenset[str]) -> bool:
    """Say whether all that a function binds to a name is said; of its own parameters, its callers see to that."""
    parameters = [*around.args.args, *around.args.kwonlyargs] if isinstance(around, ast.FunctionDef) else []
    if name in SAYING & {each.arg for each in parameters}:
        return True
    bound = [value for names, value in _list_bindings(around) if name in names]
    return bool(bound) and all(_is_said(value, around, sayers) for value in bound)


def _list_bindings(around: ast.AST) -> Iterator[tuple[set[str], ast.expr]]:
    for node in ast.walk(around):
        if isinstance(node, ast.Assign):
            yield {ast.unparse(target) for target in node.targets}, node.value
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            yield {ast.unparse(node.target)}, node.value


def test_what_errors_say_is_a_sentence():
    unsaid = [
        f"{source.path}:{line}: {expression}"
        for source in list_sources(*FLOORS)
        if not source.path.startswith(tuple(COMMANDS_ALONE))
        for expression, line in find_unsaid(source).items()
        if expression not in EXCEPTIONS.get(source.path, {})
    ]

    assert not unsaid, "write say(template, name=value), from lilong.common.sentences"


def test_every_exception_is_still_one():
    found = {source.path: set(find_unsaid(source)) for source in list_sources(*FLOORS)}

    assert not [path for path in COMMANDS_ALONE if not any(found[each] for each in found if each.startswith(path))]
    assert not [(path, each) for path, known in EXCEPTIONS.items() for each in known if each not in found.get(path, ())]


@pytest.mark.parametrize(
    "text",
    [
        "raise NotFound(detail=f'There is no run {run_id}.')",
        "raise NotFound(detail='There is no run.')",
        "FieldProblem('name', 'name_taken', 'It is taken.')",
        "def check():\n    message = str(error)\n    return FieldProblem(path='', code='', message=message)",
        "def _problem(path, message): ...\n_problem('name', 'It is taken.')",
        "Verdict(allowed=False, reason='You may not.')",
    ],
)
def test_a_finished_text_is_found(text):
    assert find_unsaid(parse(path="services.py", text=text))


@pytest.mark.parametrize(
    "text",
    [
        "raise NotFound(detail=say('There is no run {run_id}.', run_id=run_id))",
        "raise Conflict(detail=refusal.detail)",
        "def check():\n    message = say('It is taken.')\n    return FieldProblem('name', 'name_taken', message)",
        "def _problem(path, message): return FieldProblem(path=path, code='', message=message)",
        "log.warning('lost', detail=str(error))",
    ],
)
def test_a_sentence_passes(text):
    assert not find_unsaid(parse(path="services.py", text=text))


def list_templates() -> Iterator[tuple[str, str | None]]:
    """Yield where `say` is called, with the template; None where none is written out."""
    for source in list_sources(*FLOORS):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "say":
                match node.args:
                    case [ast.Constant(value=str(template))]:
                        yield f"{source.path}:{node.lineno}", template
                    case _:
                        yield f"{source.path}:{node.lineno}", None


def test_a_template_is_written_out_where_it_is_filled():
    assert not [where for where, template in list_templates() if template is None], "the catalogue finds no others"


def test_translations_fill_the_same_names():
    def names(template: object) -> set[str]:
        return {name for _text, name, _format, _conversion in Formatter().parse(str(template)) if name is not None}

    templates = {template for _where, template in list_templates()}
    chinese = {each.id: each.string for each in read_catalogue() if each.id in templates}

    assert templates == set(chinese)
    assert not [template for template, told in chinese.items() if names(template) != names(told)]
