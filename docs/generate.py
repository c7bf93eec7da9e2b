"""Write the reference pages that are made from the code: `python docs/generate.py`.

The pages are committed, so that they can be read and reviewed where the code is; a test finds one that is out of date.
"""

import ast
import importlib
import os
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import django
import typer
from pydantic import BaseModel
from typer.core import TyperCommand, TyperGroup

import lilong
from lilong.cli.main import app
from lilong.cli.output import EXIT_CODES, EXIT_RUN_FAILED, EXIT_SIGNALLED, EXIT_TRY_LATER, EXIT_UNEXPECTED
from lilong.common.errors import LilongError, list_error_classes
from lilong.web.config import CreditRate, OidcProvider, SamlProvider, Settings

REFERENCE = Path(__file__).resolve().parent / "reference"
PACKAGE = REFERENCE.parents[1] / "src" / "lilong"
NOT_IMPORTED = (
    "lilong.cli.demo.job",
    "lilong.platforms.supermarket.job",
    "lilong.web.management",
    "lilong.web.gunicorn",
    "lilong.web.wsgi",
)
REFUSALS = {"FieldProblem", "Refusal"}


def render_all() -> dict[str, str]:
    """Return the text of every generated page by its file name; Django has to be set up."""
    return {
        "settings.md": render_settings(),
        "commands.md": render_commands(),
        "errors.md": render_errors(),
        "http-api.md": render_http_api(),
        "metrics.md": render_metrics(),
    }


def render_settings() -> str:
    """Return the page of settings: name in the environment, type, default, meaning."""
    prefix = Settings.model_config.get("env_prefix", "")
    properties = Settings.model_json_schema()["properties"]
    rows = [
        (
            f"`{prefix}{name.upper()}`",
            f"`{name}`",
            _type_of(properties[name]),
            "" if field.default_factory or field.default in (None, "") else f"`{_plain(field.default)}`",
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
    intro = (
        "A setting comes from the environment, else from `settings.toml` in the hub's home folder, "
        "else from its default. An unknown name in the file is an error."
    )
    table = _table(("In the environment", "In `settings.toml`", "Type", "Default", "What it is"), rows)
    tables: dict[str, type[BaseModel]] = {
        "oidc_providers": OidcProvider,
        "saml_providers": SamlProvider,
        "credit_rates": CreditRate,
    }
    inner = [_render_table(setting, model) for setting, model in tables.items()]
    return _page("Settings", "`Settings` in `lilong/web/config.py`", intro, "\n\n".join([table, *inner]))


def _render_table(setting: str, model: type[BaseModel]) -> str:
    fields = model.model_json_schema()["properties"]
    rows = [
        (
            f"`{name}`",
            _type_of(fields[name]),
            "" if field.is_required() or field.default in (None, "") else f"`{_plain(field.default)}`",
            field.description or "",
        )
        for name, field in model.model_fields.items()
    ]
    table = _table(("Field", "Type", "Default", "What it is"), rows)
    return f"## `[[{setting}]]`\n\nOne table for each; in the environment a JSON list of objects.\n\n{table}"


def render_commands() -> str:
    """Return the page of commands: usage, what each does, its arguments and options."""
    parts = []
    for path, command in list_commands():
        context = typer.Context(command, info_name=path)
        usage = command.get_usage(context).removeprefix("Usage:").strip()
        records = [parameter.get_help_record(context) for parameter in command.params]
        rows = [(f"`{name}`", text) for name, text in filter(None, records)]
        arguments = _table(("Argument", "What it is"), rows) if rows else ""
        parts.append(f"## `{path}`\n\n{_flat(command.help or '')}\n\n```text\n{usage}\n```\n\n{arguments}".rstrip())
    intro = (
        "Each command also has `--help`. What goes wrong is printed on standard error with a next step, or with "
        "`--json` as a problem document, and sets the exit code."
    )
    return _page("Commands", "the `lilong` command", intro, "\n\n".join([*parts, _render_exit_codes()]))


def _render_exit_codes() -> str:
    kinds: dict[int, list[str]] = {}
    for error, code in EXIT_CODES.items():
        kinds.setdefault(code, []).append(error.title)
    rows = [
        ("0", "Done"),
        (str(EXIT_UNEXPECTED), "Anything not named below; `verify` found differences"),
        ("2", "The command line itself is wrong"),
        *((str(code), ", or: ".join(titles)) for code, titles in kinds.items()),
        (str(EXIT_RUN_FAILED), "`lilong run`: the job did not succeed"),
        (str(EXIT_TRY_LATER), "The same call may succeed later"),
        (f"{EXIT_SIGNALLED} + n", "Signal n ended it: 130 after Ctrl-C, 143 after TERM"),
    ]
    return f"## Exit codes\n\n{_table(('Exit code', 'What it means'), rows)}"


def list_commands() -> list[tuple[str, TyperCommand | TyperGroup]]:
    """Return every command that does something, by its path: `lilong ledger verify`."""
    found: list[tuple[str, TyperCommand | TyperGroup]] = []
    todo = [("lilong", typer.main.get_command(app))]
    while todo:
        path, command = todo.pop()
        if isinstance(command, TyperGroup):
            todo += [(f"{path} {name}", inner) for name, inner in command.commands.items()]
            if not command.invoke_without_command or path == "lilong":
                continue
        if isinstance(command, TyperCommand | TyperGroup) and not command.hidden:
            found.append((path, command))
    return sorted(found, key=lambda entry: entry[0])


def render_errors() -> str:
    """Return the page of errors: what is raised, and the codes of single fields and reasons."""
    raised = [
        (f"`{error.code}`", str(error.status), error.title, error.next_step, "yes" if error.retryable else "")
        for error in list_errors()
    ]
    refusals = [(f"`{code}`", ", ".join(f"`{place}`" for place in places)) for code, places in list_refusals().items()]
    intro = (
        "Every failed call answers with an RFC 9457 problem document (`application/problem+json`). Its `code` is "
        "stable: programs may rely on it. The SDK raises the same error, the command line prints title and next step."
    )
    body = _table(("Code", "Status", "Title", "Next step", "Worth retrying"), raised)
    if refusals:
        body += (
            "\n\n## Codes of fields and reasons\n\nThey stand in `fields` of a problem document, or in a refusal.\n\n"
        )
        body += _table(("Code", "Comes from"), refusals)
    return _page("Errors", "the subclasses of `LilongError`", intro, body)


def list_errors() -> list[type[LilongError]]:
    """Return every error class of the package, by code, after importing all of it."""
    for module in pkgutil.walk_packages(lilong.__path__, "lilong."):
        if not module.name.startswith(NOT_IMPORTED) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [error for error in list_error_classes() if error.__module__.startswith("lilong.")]


def list_refusals() -> dict[str, list[str]]:
    """Return the codes written at calls of FieldProblem and Refusal, each with the modules that say it."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for code in _codes_in(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(code, set()).add(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    return {code: sorted(found[code]) for code in sorted(found)}


def _codes_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in REFUSALS:
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def render_http_api() -> str:
    """Return the page of HTTP operations: method, path, who may call it, what it answers and does."""
    from lilong.web.api import agent_api, api  # noqa: PLC0415 - needs Django set up

    parts = []
    for title, operations_of in (("People and programs", api), ("Agents", agent_api)):
        rows = [
            (f"`{method.upper()}`", f"`{path}`", _callers(operation), _answers(operation), _flat(_about(operation)))
            for path, operations in sorted(operations_of.get_openapi_schema().get("paths", {}).items())
            for method, operation in operations.items()
        ]
        if rows:
            parts.append(f"## {title}\n\n{_table(('Method', 'Path', 'Who', 'Answers', 'What it does'), rows)}")
    intro = (
        "A running hub serves the full description, with every field, at `/api/v1/openapi.json`. Send the token as "
        "`Authorization: Bearer …` and, with every POST, an `Idempotency-Key` of your own. A POST of people and "
        "programs answers 201 when it made something, 202 when people will decide, 204 when there is nothing to say, "
        "and 200 otherwise. Every refusal is a problem document (RFC 9457); what belongs to others answers like what "
        "nobody has."
    )
    return _page("HTTP API", "the OpenAPI description", intro, "\n\n".join(parts))


def render_metrics() -> str:
    """Return the page of metrics: name, labels, meaning, and what it costs to read them."""
    from lilong.web.metrics import METRICS  # noqa: PLC0415 - needs Django set up

    rows = [
        (f"`{metric.name}`", ", ".join(f"`{label}`" for label in metric.labels), metric.meaning, metric.grows_with)
        for metric in METRICS
    ]
    intro = (
        "`GET /metrics` answers in the text format of Prometheus, or in OpenMetrics when asked for it. All are gauges, "
        "read from the database at that moment with twelve queries: it makes no difference which web process answers. "
        "The last column says what the time of a scrape grows with; what has long been over is not read. A "
        "state or kind in which there is nothing is told as 0. `pool` is the pool's id; `lilong_pool_info` has its "
        "name. Credits are whole credits, not micro-credits. Nothing tells how late the worker's rounds are, because "
        "the database does not know: what lateness does shows in the ages of queued attempts, events and heads. Who "
        "may read them is in [Look after a hub](../how-to/look-after-a-hub.md)."
    )
    return _page(
        "Metrics",
        "`METRICS` in `lilong/web/metrics.py`",
        intro,
        _table(("Metric", "Labels", "Meaning", "Grows with"), rows),
    )


def _about(operation: Mapping[str, object]) -> str:
    return str(operation.get("description") or operation.get("summary") or "")


def _answers(operation: Mapping[str, Any]) -> str:
    return ", ".join(
        str(status) for status in sorted(map(int, operation["responses"])) if status < HTTPStatus.BAD_REQUEST
    )


def _callers(operation: Mapping[str, object]) -> str:
    allowed, scope = operation.get("x-lilong-allow", []), operation.get("x-lilong-scope", "")
    names = ", ".join(str(name) for name in allowed) if isinstance(allowed, list) else ""
    return f"{names} (scope {scope})" if scope else names


def _type_of(schema: Mapping[str, object]) -> str:
    if "anyOf" in schema and isinstance(schema["anyOf"], list):
        return " or ".join(_type_of(choice) for choice in schema["anyOf"])
    if isinstance(schema.get("enum"), list):
        return ", ".join(f"`{value}`" for value in schema["enum"])  # type: ignore[attr-defined]
    return str(schema.get("format", schema.get("type", "")))


def _plain(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, tuple | list) else str(value)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _page(title: str, source: str, intro: str, body: str) -> str:
    return f"# {title}\n\nGenerated by `make docs` from {source}; edit that, not this page.\n\n{intro}\n\n{body}\n"


def main() -> None:
    """Set Django up without a hub and write the pages."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lilong.web.settings")
    django.setup()
    for name, text in render_all().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
