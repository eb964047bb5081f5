"""What comes over Redis is believed by nobody: JSON of one shape, or nothing (security, row 20)."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from project.config import Settings
from project.errors import SettingInvalid
from project.hints import CHANNEL, MOST_BYTES, MOST_TOPICS, RedisHints, read_hint
from project.runtime import make_runtime
from tests.conftest import eventually
from tests.services import PASSWORD, Redis


class Boom:
    """Whoever unpickles it is found out."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("unpickled",))


def hint(**changes: Any) -> bytes:
    return json.dumps({"v": 1, "from": "other", "topics": ["space:a", "user:*"], **changes}).encode()


GARBAGE = {
    "pickle": pickle.dumps(Boom()),
    "pickle of a hint": pickle.dumps({"v": 1, "from": "other", "topics": ["space:a"]}),
    "no JSON": b"\x00\xff{",
    "no object": b"[1]",
    "deep": b"[" * 50_000,
    "long": hint(topics=["space:" + "x" * MOST_BYTES]),
    "another version": hint(v=2),
    "one's own": hint(**{"from": "me"}),
    "topics of another kind": hint(topics={"space": "a"}),
    "too many": hint(topics=["space:a"] * (MOST_TOPICS + 1)),
    "no topics": hint(topics=[1, None, "space", "SPACE:a", "space:", "space:a b", "space:a\n", ["space:a"]]),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_what_is_no_hint_is_passed_over(what: str) -> None:
    assert read_hint(GARBAGE[what], "me") == ()


def test_a_hint_is_its_topics() -> None:
    assert read_hint(hint(), "me") == ("space:a", "user:*")
    assert read_hint(hint(topics=["space:a", 1, "ended:b"]), "me") == ("space:a", "ended:b")
    assert read_hint(None, "me") == read_hint(1, "me") == ()


def test_hints_pass_between_nodes_and_garbage_stops_nobody(redis: Redis) -> None:
    heard: list[str] = []
    listening = RedisHints(redis.url, "me", heard.extend, make_runtime("threading"))
    telling = RedisHints(redis.url, "other", lambda topics: None, make_runtime("threading"))
    listening.start()
    telling.start()
    with redis.client() as client:
        eventually(lambda: client.pubsub_numsub(CHANNEL)[0][1] == 2, what="both listen")
        for garbage in GARBAGE.values():
            client.publish(CHANNEL, garbage)
    telling.carry(["space:a", "ended:b"])
    eventually(lambda: heard, what="the hint comes")
    assert heard == ["space:a", "ended:b"]
    listening.stop()
    telling.stop()


@pytest.mark.parametrize(
    "settings",
    [
        {"redis_url": f"http://:{PASSWORD}@host"},
        {"redis_url": f"redis://:{PASSWORD}@host"},
        {"redis_url": f"redis://:{PASSWORD}@host", "database_url": "sqlite:///x.db"},
    ],
)
def test_a_redis_that_is_of_no_use_is_refused_without_its_password(settings: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid) as refusal:
        Settings(**settings).check()
    assert PASSWORD not in refusal.value.message
    assert refusal.value.field == "redis_url"
