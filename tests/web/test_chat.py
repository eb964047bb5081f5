"""Spaces as models of the chat completions API, asked by the client library that programs use."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.conftest import LiveSite, eventually, imported_late
from tests.relay.socket_client import Client, held, v2

if TYPE_CHECKING:
    import openai
else:
    openai = imported_late("openai")  # takes a second

HELLO: Any = [{"role": "user", "content": "hello"}]
TALK: Any = [{"role": "system", "content": "be short"}, *HELLO]


@dataclass
class Chat:
    """A space with a bare worker, its person's session, and the client of a program of theirs."""

    site: LiveSite
    space_id: str
    worker: Client
    person: requests.Session
    program: openai.OpenAI

    def ask(self, **fields: Any) -> tuple[dict[str, Any], dict[str, Any], threading.Thread]:
        """Ask in the background: what the worker is handed, and where the answer will be."""
        answer: dict[str, Any] = {}

        def call() -> None:
            try:
                answer["whole"] = self.program.chat.completions.create(model="Chat", **{"messages": HELLO, **fields})
            except openai.APIError as error:
                answer["error"] = error

        thread = threading.Thread(target=call)
        thread.start()
        return self.worker.next(), answer, thread

    def finish(self, request: dict[str, Any], status: str = "completed", **result: Any) -> None:
        message = {**held(request), "status": status, "result": result}
        assert self.worker.call("inference_result", message)["ok"]


@pytest.fixture(scope="module")
def chat(site: LiveSite) -> Iterator[Chat]:
    space_id = site.make_space("Chat")
    worker = Client(site)
    worker.register("Chat", **v2("chat", capacity=8))
    person = site.login("testuser", "testpass123")
    program = openai.OpenAI(base_url=f"{site.host}/v1", api_key=key_of(site, person, "read", "submit"), timeout=60)
    with program:
        yield Chat(site, space_id, worker, person, program)
    worker.close()


def key_of(site: LiveSite, person: requests.Session, *scopes: str) -> str:
    form = {"key_name": "program", **{f"scope_{scope}": "on" for scope in scopes}}
    found = re.search(r"wsk_\w{12}_[\w-]{43}", person.post(f"{site.host}/account/keys", data=form).text)
    assert found
    return found[0]


def test_an_answer_comes_whole_and_is_kept(chat: Chat) -> None:
    request, answer, asking = chat.ask(messages=TALK, temperature=0.5)
    assert request["payload"]["prompt"] == "hello"
    assert request["payload"]["params"] == {"temperature": 0.5, "messages": TALK}
    chat.finish(request, text_output="hi", usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})
    asking.join(30)
    whole = answer["whole"]
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("hi", "stop")
    assert (whole.model, whole.usage.total_tokens) == ("Chat", 4)
    assert whole.id == f"chatcmpl-{request['request_id']}"
    assert chat.site.status(chat.person, request["request_id"])["result"]["text_output"] == "hi"


def test_a_stream_brings_each_piece_once(chat: Chat) -> None:
    stream = chat.program.chat.completions.create(model=chat.space_id, messages=HELLO, stream=True)
    request = chat.worker.next()
    pieces: list[str] = []
    for number, piece in enumerate(("one ", "two "), start=1):
        assert chat.worker.call("inference_chunk", {**held(request), "seq": number, "text": piece}) == {"ok": True}
        while "".join(pieces) != "one two "[: 4 * number]:
            pieces.append(next(stream).choices[0].delta.content or "")
    chat.finish(request, text_output="one two three")
    rest = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in rest) == "three"
    assert rest[-1].choices[0].finish_reason == "stop"


def test_a_failure_says_why_and_is_not_asked_again(chat: Chat) -> None:
    request, answer, asking = chat.ask()
    chat.finish(request, "failed", error="out of memory")
    asking.join(30)
    assert answer["error"].status_code == 502
    assert answer["error"].body["code"] == "request_failed"
    assert "out of memory" in answer["error"].message
    assert chat.worker.requests.empty()
    stream = chat.program.chat.completions.create(model="Chat", messages=HELLO, stream=True)
    chat.finish(chat.worker.next(), "failed", error="out of memory")
    with pytest.raises(openai.APIError, match="out of memory"):
        list(stream)


def test_cancelled_on_the_page_it_ends_for_the_program(chat: Chat) -> None:
    request, answer, asking = chat.ask()
    chat.person.post(f"{chat.site.host}/websockets/cancel/{request['request_id']}").raise_for_status()
    asking.join(30)
    assert answer["error"].body["message"] == "Cancelled by the person who asked."


def test_what_is_left_alone_is_kept(chat: Chat) -> None:
    stream = chat.program.chat.completions.create(model="Chat", messages=HELLO, stream=True)
    request = chat.worker.next()
    stream.close()
    chat.finish(request, text_output="late")
    assert chat.site.status(chat.person, request["request_id"], wait=10)["result"] == {"text_output": "late"}


def test_a_key_that_is_revoked_ends_what_waits_by_it(chat: Chat) -> None:
    secret = key_of(chat.site, chat.person, "submit")
    key_id = secret.split("_")[1]
    with openai.OpenAI(base_url=f"{chat.site.host}/v1", api_key=secret, max_retries=0) as program:
        stream = program.chat.completions.create(model="Chat", messages=HELLO, stream=True)
        request = chat.worker.next()
        chat.person.post(f"{chat.site.host}/account/keys/{key_id}/revoke").raise_for_status()
        with pytest.raises(openai.APIError, match="log in"):
            list(stream)
    chat.finish(request, text_output="to nobody")


def test_models_are_the_spaces_that_take_prompts(chat: Chat) -> None:
    twins = {chat.site.make_space("Twin", ws_enable_audio="on") for _ in range(2)}
    chat.site.make_space("Deaf", ws_enable_prompt="", ws_enable_audio="on")
    models = {model.id: model for model in chat.program.models.list()}
    assert {"Chat", *twins} <= set(models)
    assert "Deaf" not in models
    assert models["Chat"].to_dict()["connected"] is True
    assert chat.program.models.retrieve(chat.space_id).to_dict()["space_id"] == chat.space_id
    with pytest.raises(openai.ConflictError, match="by its id"):
        chat.program.with_options(max_retries=0).models.retrieve("Twin")
    with pytest.raises(openai.NotFoundError, match="Nobody"):
        chat.program.models.retrieve("Nobody")


def test_what_is_refused_says_what_and_why(chat: Chat) -> None:
    twin = chat.site.make_space("Alone")
    program = chat.program.with_options(max_retries=0)
    with pytest.raises(openai.InternalServerError) as offline:
        program.chat.completions.create(model=twin, messages=HELLO)
    assert (offline.value.status_code, offline.value.body["code"]) == (503, "worker_offline")  # type: ignore[index]
    with pytest.raises(openai.BadRequestError, match="n must be 1"):
        program.chat.completions.create(model="Chat", messages=HELLO, n=2)
    with (
        openai.OpenAI(base_url=f"{chat.site.host}/v1", api_key=key_of(chat.site, chat.person, "read")) as reader,
        pytest.raises(openai.PermissionDeniedError),
    ):
        reader.chat.completions.create(model="Chat", messages=HELLO)
    address = f"{chat.site.host}/v1/chat/completions"
    stranger = requests.post(address, json={}).json()
    assert (stranger["success"], stranger["code"], stranger["error"]["code"]) == (False, *["login_required"] * 2)
    foreign = requests.post(address, json={}, headers={"Origin": "http://evil.example"}).json()
    assert foreign["error"]["code"] == "cross_origin"
    for body in (b"{", b"[]", b'"x"', b"[" * 40_000):
        answer = chat.person.post(address, data=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["field"]) == (400, "body")
    plain = chat.person.post(address, data=json.dumps({"model": "Chat"}))
    assert "application/json" in plain.json()["error"]["message"]


def test_sent_again_under_its_key_it_is_the_same_answer(chat: Chat) -> None:
    headers = {"Idempotency-Key": "chat-1"}
    request, answer, asking = chat.ask(extra_headers=headers)
    chat.finish(request, text_output="once")
    asking.join(30)
    again = chat.program.chat.completions.create(model="Chat", messages=HELLO, extra_headers=headers)
    assert (again.id, again.choices[0].message.content) == (answer["whole"].id, "once")
    eventually(chat.worker.requests.empty)
