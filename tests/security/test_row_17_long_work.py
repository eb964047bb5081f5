"""Row 17: what takes long is judged before it is begun, done in pieces between which others go first, or in turns."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from project.app import Application, create_app
from project.config import Settings
from project.core.calls import Call, Outcome
from project.errors import FieldInvalid, TooLarge
from project.runtime import Bit, current_bit
from project.web import clients, parsing
from project.web.console_export import BETWEEN, calls_file
from project.web.markdown import MOST_CELLS, MOST_CHARS, MOST_LINES, rendered
from project.web.parsing import MOST_FIELD_BYTES, MOST_FIELDS, MOST_VALUES, PIECE_BYTES, fields_of, json_of
from project.web.tables import MOST_LINES as MOST_TABLE_LINES
from project.web.tables import read_table
from tests.conftest import eventually


class Steps(Bit):
    """A bit of a request that counts how often it gives way."""

    def __init__(self) -> None:
        self.count = 0

    def stop(self, *, resting: bool) -> None:
        assert not resting, "it has not left: nobody else of the same person comes in"

    def go_on(self) -> None:
        self.count += 1

    def charge(self, used_s: float) -> None:
        """Nobody counts time here."""


@pytest.fixture
def steps() -> Iterator[Steps]:
    counted = Steps()
    before = current_bit.set(counted)
    yield counted
    current_bit.reset(before)


def test_long_form_is_taken_apart_in_pieces_and_others_go_first_in_between(steps: Steps) -> None:
    assert fields_of(b"prompt=" + b"%41" * (PIECE_BYTES // 4)) == [("prompt", "A" * (PIECE_BYTES // 4))]
    assert not steps.count, "a short one is no work"
    long = "\u4f60" * (MOST_FIELD_BYTES // 9 - 1)
    assert fields_of(b"prompt=" + b"%E4%BD%A0" * len(long)) == [("prompt", long)]
    assert steps.count >= MOST_FIELD_BYTES // PIECE_BYTES
    steps.count = 0
    assert len(fields_of(b"&".join(b"a" * 1000 for _ in range(MOST_FIELDS)))) == MOST_FIELDS
    assert steps.count >= MOST_FIELDS, "many short fields are long, too"


@pytest.mark.parametrize("before", range(4))
def test_no_sign_is_cut_in_two_between_pieces(before: int) -> None:
    sent = b"x" * before + b"%E4%BD%A0+%f0%9f%98%80%2" * (PIECE_BYTES // 10)
    assert fields_of(b"a=" + sent) == [("a", "x" * before + "\u4f60 \U0001f600%2" * (PIECE_BYTES // 10))]


PLAIN = (
    "100%",
    "%",
    "%%41",
    "%4",
    "%zz%41",
    "a+b%2B",
    "=&=",
    "a&&b",
    "a=b=c",
    "%E4%BD%A0=\u4f60%26",
    "&a=1;b=2&",
    "%0D%0A",
)


@pytest.mark.parametrize("text", PLAIN)
def test_forms_say_what_the_standard_library_says_they_do(text: str) -> None:
    assert fields_of(text.encode()) == parse_qsl(text, keep_blank_values=True)


def test_form_is_judged_before_it_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(fields_of(b"&".join(b"a=1" for _ in range(MOST_FIELDS)))) == MOST_FIELDS
    monkeypatch.delattr(parsing, "_text")
    for body in (b"&" * MOST_FIELDS, b"prompt=" + b"%41" * (MOST_FIELD_BYTES // 3), b"a" * (MOST_FIELD_BYTES + 1)):
        with pytest.raises(TooLarge):
            fields_of(body)


@pytest.mark.parametrize("body", [b"a=%FF", b"a=\xff", b"%E4%BD=1", b"a=%ED%A0%80"])
def test_form_that_is_no_text_is_refused(body: bytes) -> None:
    with pytest.raises(FieldInvalid, match="UTF-8"):
        fields_of(body)


def test_json_is_judged_before_it_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json_of(b'{"a": [1]}') == {"a": [1]}
    assert len(json_of(b"[" + b"1, " * (MOST_VALUES - 1) + b"1]")) == MOST_VALUES
    text = '"[{,' * MOST_VALUES + "\\"
    assert json_of(json.dumps({"prompt": text}).encode()) == {"prompt": text}, "in a text they are no values"
    with pytest.raises(ValueError):
        json_of(b"[" * 10_000)
    monkeypatch.delattr(parsing.json, "loads")
    too_much = [sign.encode() * (MOST_VALUES + 1) for sign in ("[", "{", ",")]
    too_much += [b'["\\\\' + b'",""' * (MOST_VALUES + 1), b"1" * 200_000, b'{"\\"":1' + b",1" * (MOST_VALUES + 1)]
    for body in too_much:
        with pytest.raises(TooLarge):
            json_of(body)


def test_markdown_gives_way_and_is_judged_before_it_is_rendered(steps: Steps) -> None:
    for bomb in ("[", "*a ", "[a](", "<", "&#x", "~~a~~ "):
        steps.count = 0
        assert rendered((bomb * MOST_CHARS)[:MOST_CHARS]) is not None
        assert steps.count > 100
    steps.count = 0
    assert rendered("a\n" * (MOST_LINES + 1)) is None
    columns = 500
    table = "|a" * columns + "\n" + "|-" * columns + "\n" + "b\n" * (MOST_CELLS // columns)
    assert rendered(table) is None, "short rows are filled up"
    assert not steps.count
    assert rendered("- **a** `b`\n" * 10 + "\n|a|b|\n|-|-|\n|1|2|\n") is not None


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_long_exports_give_way(steps: Steps, kind: str) -> None:
    count = BETWEEN * 4
    calls = (Call(str(n), "a.b", {"n": n}, "u", "=1+1", 0.0, 1.0, Outcome.SUCCESS) for n in range(count))
    text = calls_file(kind, calls, str).get_data(as_text=True)
    assert steps.count == count / BETWEEN
    found = json.loads(text) if kind == "json" else list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert [row["id"] for row in found] == [str(n) for n in range(count)]


def test_blank_lines_of_a_table_are_bounded() -> None:
    assert read_table(io.BytesIO(b"name\n\n\na\n")) == [{"name": "a"}]
    with pytest.raises(FieldInvalid, match="blank"):
        read_table(io.BytesIO(b"name\n" + b"\n" * (MOST_TABLE_LINES + 1)))


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    made = create_app(Settings(data_dir=tmp_path, database_url="memory://", async_mode="threading"))
    yield made
    made.store.close()


def test_tables_are_read_one_at_a_time(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, lock = threading.Event(), threading.Lock()
    inside: list[int] = [0, 0]

    def read(_file: Any) -> list[dict[str, str]]:
        with lock:
            inside[0] += 1
            inside[1] = max(inside)
        go_on.wait(20)
        with lock:
            inside[0] -= 1
        return []

    monkeypatch.setattr(clients, "read_table", read)
    answers: list[int] = []

    def send() -> None:
        client = application.flask.test_client()
        client.post("/login", data={"username": "testuser", "password": "testpass123"})
        sent = client.post("/clients/upload/process/", data={"file": (io.BytesIO(b"name\n"), "a.csv")})
        answers.append(sent.status_code)

    senders = [threading.Thread(target=send, daemon=True) for _ in range(4)]
    for sender in senders:
        sender.start()
    tables = application.flask.extensions["spaces"].long_work
    eventually(lambda: sum(len(queue) for queue in tables._waiting.values()) == 3 or inside[1] > 1)
    go_on.set()
    for sender in senders:
        sender.join(20)
    assert len(answers) == 4
    assert set(answers) <= {200, 400}, "an empty table may be refused, but is read"
    assert inside == [0, 1]
