"""A sentence is its English text to everything that does not ask for more, and can be said again from what it keeps."""

import copy
import io
import json
import pickle

import pytest
import structlog
from pydantic import BaseModel

from lilong.common.canonical import canonical_json
from lilong.common.errors import FieldProblem, InputInvalid, dump_problem, load_problem, render_problem
from lilong.common.sentences import Sentence, dump_sentence, join_sentences, load_sentence, retell, say

CHINESE = {
    "{name} has {count} files.": "{name} 有 {count} 个文件。",
    "It cannot travel: {why:begin}.": "它无法传送：{why}。",
    "it needs a password": "它需要密码",
    "{first} {then}": "{first}{then}",
    "Send less.": "请减少内容。",
}
FILES = say("{name} has {count} files.", name="a.zip", count=3)
NESTED = say("It cannot travel: {why:begin}.", why=say("it needs a password"))


class Answer(BaseModel):
    detail: str


def translate(text):
    return CHINESE.get(text, text)


def test_it_is_its_text():
    assert FILES == "a.zip has 3 files."
    assert hash(FILES) == hash("a.zip has 3 files.")
    assert type(f"{FILES}") is str
    assert str(NESTED) == "It cannot travel: It needs a password."


@pytest.mark.parametrize("template", ["{name} has {count} files.", "None."])
def test_a_value_that_lacks_or_means_nothing_fails(template):
    with pytest.raises(TypeError, match="is not filled by"):
        say(template, name="a.zip")


@pytest.mark.parametrize("sentence", [FILES, NESTED, say("Plain."), Sentence("Braces {stay}.")])
def test_it_is_pickled_and_copied_whole(sentence):
    for again in (pickle.loads(pickle.dumps(sentence)), copy.deepcopy(sentence), copy.copy(sentence)):  # noqa: S301
        assert (again, again.template, again.values) == (sentence, sentence.template, sentence.values)
        assert type(again) is Sentence


def test_it_is_text_in_json_models_and_logs():
    assert json.dumps({"detail": FILES}) == '{"detail": "a.zip has 3 files."}'
    assert canonical_json({"detail": FILES}) == canonical_json({"detail": str(FILES)})
    assert Answer(detail=FILES).model_dump_json() == '{"detail":"a.zip has 3 files."}'
    assert Answer.model_validate_json('{"detail":"x"}').detail == "x"
    written = io.StringIO()
    structlog.wrap_logger(structlog.PrintLogger(written), processors=[structlog.processors.JSONRenderer()]).info(
        "refused", detail=FILES
    )
    assert json.loads(written.getvalue())["detail"] == "a.zip has 3 files."


def test_a_problem_document_is_the_same_as_with_plain_text():
    said = InputInvalid(detail=FILES, fields=[FieldProblem("archive", "file_refused", NESTED)])
    plain = InputInvalid(detail=str(FILES), fields=[FieldProblem("archive", "file_refused", str(NESTED))])

    assert json.dumps(render_problem(said)) == json.dumps(render_problem(plain))


@pytest.mark.parametrize(
    ("sentence", "chinese"),
    [
        (FILES, "a.zip 有 3 个文件。"),
        (NESTED, "它无法传送：它需要密码。"),
        (join_sentences(FILES, "Send less."), "a.zip 有 3 个文件。请减少内容。"),
        (join_sentences(NESTED, ""), "它无法传送：它需要密码。"),
        ("Send less.", "请减少内容。"),
        (say("Nobody translates {what}.", what="this"), "Nobody translates this."),
        ("", ""),
    ],
)
def test_it_is_said_again_with_what_stands_in_it(sentence, chinese):
    assert retell(sentence, translate=translate) == chinese


def test_values_are_written_as_the_reader_is_used_to_but_plain_words_are_not_translated():
    sentence = say("{name} has {count} files.", name="Send less.", count=3)

    assert retell(sentence, translate=translate) == "Send less. 有 3 个文件。"
    assert retell(sentence, translate=translate, write=str.upper) == "SEND LESS. 有 3 个文件。"


@pytest.mark.parametrize("sentence", [FILES, NESTED, join_sentences(FILES, "Send less.")])
def test_what_is_kept_beside_a_text_says_it_again(sentence):
    kept = json.loads(json.dumps(dump_sentence(sentence)))
    again = load_sentence(str(sentence), kept)

    assert retell(again, translate=translate) == retell(sentence, translate=translate)


@pytest.mark.parametrize(
    "told",
    [None, {}, [], "text", {"template": "{name}", "values": {}}, {"template": "Other.", "values": {}}, {"values": 1}],
)
def test_a_text_stands_alone_where_what_is_beside_it_does_not_make_it(told):
    assert type(load_sentence("a.zip has 3 files.", told)) is str


def test_a_text_without_values_needs_nothing_beside_it():
    assert dump_sentence("Plain.") is None
    assert dump_sentence(say("Plain.")) is None


def test_problems_that_were_kept_before_are_read_as_they_are():
    problem = FieldProblem("archive", "file_refused", FILES)
    kept = dump_problem(problem)

    assert load_problem(kept) == problem
    assert kept["said"] == {"template": "{name} has {count} files.", "values": {"name": "a.zip", "count": 3}}
    assert load_problem({"path": "a", "code": "b", "message": "c"}) == FieldProblem("a", "b", "c")
    assert "said" not in dump_problem(FieldProblem("a", "b", "c"))
