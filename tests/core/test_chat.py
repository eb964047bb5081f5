"""Chat completions read and told, without a site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.core.chat import Telling, completion, read
from project.core.model import Request
from project.core.states import Status
from project.core.submission import MOST_PROMPT_CHARS
from project.errors import AnswerChanged, FieldInvalid, RequestFailed

ASK = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
RUNNING = Request("r", 1, "s", "u", "user", {}, Status.PROCESSING, created_at=10.9, queue_deadline=99.0)
DONE = replace(RUNNING, status=Status.COMPLETED, result={"text_output": "one two"})


def said(chunks: Iterator[dict[str, Any]]) -> list[str | None]:
    return [chunk["choices"][0]["delta"].get("content") for chunk in chunks]


def test_one_message_is_the_prompt_and_travels_once() -> None:
    asked = read(ASK | {"temperature": 0.5, "stop": None, "user": "me", "stream": True})
    assert (asked.model, asked.stream, asked.with_usage) == ("m", True, False)
    assert asked.form == {"prompt": "hello", "params": {"temperature": 0.5}}


def test_a_conversation_travels_whole_beside_its_last_question() -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t"}]},
        {"role": "tool", "content": "42", "tool_call_id": "t"},
    ]
    asked = read({"model": "m", "messages": messages})
    assert asked.form["prompt"] == "a b"
    assert [message["content"] for message in asked.form["params"]["messages"]] == ["be short", "a b", "", "42"]
    assert asked.form["params"]["messages"][2]["tool_calls"] == [{"id": "t"}]


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"model": ""}, "model", "id or the name"),
        ({"model": 7}, "model", "id or the name"),
        ({"n": 2}, "n", "one answer"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"messages": []}, "messages", "1 to 1000"),
        ({"messages": "hello"}, "messages", "1 to 1000"),
        ({"messages": ["hello"]}, "messages", r"messages\[0\] must have a role"),
        ({"messages": [{"role": "owner", "content": "x"}]}, "messages", r"messages\[0\] must have a role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages", r"messages\[0\].content must be a text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages", "type text only"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages", "not empty"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages", "of the role user"),
        ({"messages": [{"role": "user", "content": "x" * (MOST_PROMPT_CHARS + 1)}]}, "messages", "in all"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_field(wrong: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(FieldInvalid, match=says) as refused:
        read(ASK | wrong)
    assert refused.value.field == field


def test_the_whole_answer() -> None:
    body = completion(replace(DONE, result={"text_output": "hi", "finish_reason": "length"}), "Model")
    assert (body["id"], body["created"], body["model"]) == ("chatcmpl-r", 10, "Model")
    assert body["choices"][0]["message"]["content"] == "hi"
    assert body["choices"][0]["finish_reason"] == "length"
    assert "usage" not in body, "nobody counted"
    counted = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert completion(replace(DONE, result={"text_output": "", "usage": counted}), "m")["usage"] == counted
    assert "usage" not in completion(replace(DONE, result={"text_output": "", "usage": {"total_tokens": "3"}}), "m")


def test_an_answer_without_text_is_told_as_it_is() -> None:
    assert (
        completion(replace(DONE, result={"label": "cat"}), "m")["choices"][0]["message"]["content"]
        == '{"label": "cat"}'
    )


def test_no_answer_is_an_error_with_its_reason() -> None:
    failed = replace(RUNNING, status=Status.FAILED, code="worker_error", error="out of memory")
    with pytest.raises(RequestFailed, match=r"The model reported an error\. out of memory"):
        completion(failed, "m")


def test_pieces_come_once_and_the_rest_with_the_end() -> None:
    telling = Telling(read(ASK), "m")
    assert said(telling.news(replace(RUNNING, partial="one"))) == ["", "one"]
    assert said(telling.news(replace(RUNNING, partial="one"))) == []
    assert not telling.over
    last = list(telling.news(DONE))
    assert said(iter(last)) == [" two", None]
    assert last[-1]["choices"][0]["finish_reason"] == "stop"
    assert telling.over


def test_another_attempt_goes_on_if_it_says_the_same() -> None:
    telling = Telling(read(ASK), "m")
    said(telling.news(replace(RUNNING, partial="one tw")))
    assert said(telling.news(replace(RUNNING, partial="", attempt=2))) == []
    assert said(telling.news(replace(RUNNING, partial="one", attempt=2))) == []
    assert said(telling.news(replace(RUNNING, partial="one two", attempt=2))) == ["o"]
    with pytest.raises(AnswerChanged):
        list(telling.news(replace(RUNNING, partial="two", attempt=3)))
    with pytest.raises(AnswerChanged):
        list(telling.news(replace(DONE, result={"text_output": "one"})))


def test_usage_comes_last_if_it_is_asked_for() -> None:
    counted = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    done = replace(DONE, result={"text_output": "x", "usage": counted})
    with_usage = Telling(read(ASK | {"stream_options": {"include_usage": True}}), "m")
    assert list(with_usage.news(done))[-1]["usage"] == counted
    assert all("usage" not in chunk for chunk in Telling(read(ASK), "m").news(done))


@given(st.lists(st.text()), st.data())
def test_whatever_is_seen_of_it_the_pieces_are_the_answer(pieces: list[str], data: st.DataObject) -> None:
    telling, text, got = Telling(read(ASK), "m"), "", ""
    for piece in pieces:
        text += piece
        if data.draw(st.booleans()):
            got += "".join(part or "" for part in said(telling.news(replace(RUNNING, partial=text))))
    got += "".join(part or "" for part in said(telling.news(replace(DONE, result={"text_output": text}))))
    assert got == text
