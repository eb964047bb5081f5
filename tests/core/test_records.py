"""Changed copies of frozen records."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest

from project.core.model import Request
from project.core.records import changed
from project.core.states import Status

REQUEST = Request(
    id="r",
    seq=1,
    space_id="s",
    user_id="u",
    username="name",
    payload={"prompt": "m"},
    status=Status.QUEUED,
    created_at=1.0,
    queue_deadline=2.0,
)


@dataclass(frozen=True, slots=True)
class Even:
    """A record that looks at its values."""

    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd")


@pytest.mark.parametrize("name", [entry.name for entry in fields(Request)])
def test_a_copy_differs_in_what_is_changed_and_nowhere_else(name: str) -> None:
    before = replace(REQUEST)
    after = changed(REQUEST, **{name: "something else"})
    assert type(after) is Request
    assert after == replace(REQUEST, **{name: "something else"})  # type: ignore[arg-type]
    assert before == REQUEST, "the record itself stays as it was"


def test_what_a_record_does_not_have_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="Request has no field color"):
        changed(REQUEST, color="red")


def test_records_that_look_at_their_values_are_not_made_past_them() -> None:
    with pytest.raises(TypeError, match="Even looks at its values"):
        changed(Even(2), number=3)
