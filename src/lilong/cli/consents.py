"""Commands about what an organisation consents to, and how it says it fares."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_json, print_next_step, print_table
from lilong.common.errors import InputInvalid
from lilong.sdk.client import Lilong

app = typer.Typer(
    help="What the hub may use your organisation's data for, and questions how it fares.", no_args_is_help=True
)

Uses = Annotated[list[str], typer.Argument(help="Codes of uses, as `lilong consents list` shows them.")]


class AnswerUnreadable(InputInvalid):
    """An answer is not written as it should be."""

    code = "cli.answer_unreadable"
    title = "This is no answer"
    next_step = "Write QUESTION=NUMBER with a whole number, such as people_employed=12; QUESTION= takes it back."


class UseUnknown(InputInvalid):
    """The hub asks consent for no such use."""

    code = "cli.use_unknown"
    title = "The hub does not ask consent for this"
    next_step = "`lilong consents list` shows what it asks for."


@app.command("list")
def list_consents(as_json: AsJson = False) -> None:
    """List what the hub asks your consent for, and since when your organisation says yes."""
    with hub_session(as_json=as_json) as hub:
        sheet = hub.consents.get()
        if as_json:
            print_json(sheet)
            return
        rows = [(use.code, use.text.en, format_time(use.given_at) if use.given_at else "no") for use in sheet.uses]
        title = f"Consents, texts of version {sheet.version}"
        print_table(title=title, columns=("Use", "Text", "Yes since"), rows=rows, right=frozenset())


@app.command("give")
def give_consents(uses: Uses, as_json: AsJson = False) -> None:
    """Say yes to uses of your organisation's data, in the words in force; others stay as they are."""
    with hub_session(as_json=as_json) as hub:
        _change(hub, add=frozenset(uses), as_json=as_json)


@app.command("withdraw")
def withdraw_consents(uses: Uses, as_json: AsJson = False) -> None:
    """Take consents back; others stay as they are."""
    with hub_session(as_json=as_json) as hub:
        _change(hub, drop=frozenset(uses), as_json=as_json)


@app.command("questions")
def list_questions(as_json: AsJson = False) -> None:
    """List the questions how your organisation fares, when they are asked, and what it answered."""
    with hub_session(as_json=as_json) as hub:
        sheet = hub.consents.get_outcomes()
        if as_json:
            print_json(sheet)
            return
        rows = [(each.code, each.text.en) for each in sheet.questions]
        print_table(title="Questions", columns=("Question", "Text"), rows=rows, right=frozenset())
        rounds = [
            (
                each.code,
                each.state,
                each.opens_on,
                each.closes_on,
                ", ".join(f"{answer.question}={answer.number}" for answer in each.answers) or "–",
            )
            for each in sheet.rounds
        ]
        columns = ("Round", "State", "From", "Until", "Answers")
        print_table(title="Rounds", columns=columns, rows=rounds, right=frozenset())
        if not sheet.is_asked:
            print_next_step("You are asked once your organisation agrees: `lilong consents give outcome_questions`.")


@app.command("answer")
def answer_questions(
    round_code: Annotated[str, typer.Argument(metavar="ROUND", help="Code of an open round.")],
    answers: Annotated[list[str], typer.Argument(metavar="QUESTION=NUMBER", help="Answers; QUESTION= takes one back.")],
    as_json: AsJson = False,
) -> None:
    """Answer questions of an open round; an answer can be changed until the round is over."""
    with hub_session(as_json=as_json) as hub:
        said = dict(read_answer(text) for text in answers)
        hub.consents.answer(round_code, said)
        if as_json:
            print_json({"round": round_code, "answers": said})
        else:
            messages.print("Answered. You can change it until the round is over.")


def read_answer(text: str) -> tuple[str, int | None]:
    """Return the question and the number that `QUESTION=NUMBER` says; raises AnswerUnreadable.

    >>> read_answer("people_employed=12"), read_answer("money_raised=")
    (('people_employed', 12), ('money_raised', None))
    """
    question, equals, number = text.partition("=")
    if not question or not equals or (number and not (number.isascii() and number.isdigit())):
        raise AnswerUnreadable(detail=text)
    return question, int(number) if number else None


def _change(
    hub: Lilong, *, add: frozenset[str] = frozenset(), drop: frozenset[str] = frozenset(), as_json: bool
) -> None:
    before = hub.consents.get()
    unknown = sorted((add | drop) - {use.code for use in before.uses})
    if unknown:
        raise UseUnknown(detail=", ".join(unknown))
    hub.consents.set((before.given | add) - drop, version=before.version)
    sheet = hub.consents.get()
    if as_json:
        print_json(sheet)
        return
    for use in sheet.uses:
        if use.code in add | drop:
            said = "Yes" if use.code in sheet.given else "No"
            messages.print(f"{said} to {use.code}: {use.text.en}")
