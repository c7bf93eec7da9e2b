"""Commands about projects: names to order for."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_json, print_next_step, print_table
from lilong.common.errors import NotFound
from lilong.sdk.client import Lilong

app = typer.Typer(help="Names to order for, with budgets of their own.", no_args_is_help=True)

ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="Name or id of the project.")]


class NoProject(NotFound):
    """The organisation has no open project of this name or id."""

    code = "cli.no_project"
    title = "There is no such project"
    next_step = "`lilong projects list` shows those that are open; `lilong projects create NAME` opens one."


def find_project_id(hub: Lilong, wanted: str) -> str:
    """Return the id of an open project by its name or id; raises NoProject."""
    for project in hub.projects.list():
        if wanted in {project.id, project.name}:
            return project.id
    raise NoProject(detail=f"None is called {wanted}.")


@app.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """List the organisation's open projects."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.projects.list())
        if as_json:
            print_json(found)
            return
        rows = [(project.id, project.name, format_time(project.created_at)) for project in found]
        print_table(title="Projects", columns=("Project", "Name", "Since"), rows=rows, right=frozenset())


@app.command("create")
def create_project(
    name: Annotated[str, typer.Argument(help="Name within your organisation.")], as_json: AsJson = False
) -> None:
    """Open a project."""
    with hub_session(as_json=as_json) as hub:
        project_id = hub.projects.create(name=name)
        if as_json:
            print_json({"id": project_id})
            return
        messages.print(f"{project_id} is there.")
        print_next_step(f"`lilong run FILE --max-cost CREDITS --project {name}` orders for it.")


@app.command("close")
def close_project(project: ProjectName, as_json: AsJson = False) -> None:
    """Close a project: nothing more is quoted for it, its budgets end, and what runs goes on."""
    with hub_session(as_json=as_json) as hub:
        project_id = find_project_id(hub, project)
        hub.projects.close(project_id)
        if as_json:
            print_json({"id": project_id})
        else:
            messages.print(f"{project_id} is closed.")
