"""Row 31: nobody is given a name that passes for somebody else's, and no space is."""

from __future__ import annotations

import pytest

from project.accounts.audit import Origin
from project.accounts.names import checked
from project.core.scripts import AS_LATIN, MOST_SPELLINGS, mixed, read_as, spellings
from project.core.spaces import parse_settings
from project.errors import FieldInvalid, UsernameTaken
from tests.security.conftest import PASSWORD, Bench

FORM = {"card_type": "websockets", "cover": "default.png", "ws_enable_prompt": "on"}
CYRILLIC_A, GREEK_O = "\u0430", "\u03bf"
MIXED = [f"{CYRILLIC_A}dmin", "adm\u0456n", f"b{GREEK_O}b", "pa\u03c1a", f"{CYRILLIC_A}\u03b1bc", "\u0391dmin_2"]
WHOLE = [
    "\u043c\u0430\u0440\u043a",
    "\u03bd\u03af\u03ba\u03bf\u03c2",
    "\u674e\u660e123",
    "Qwen_\u6a21\u578b",
    "\u0130brahim",
    "abc_\u0434\u0435\u043d\u044c",
]
UNSEEN = [
    "ad\u200bmin",
    "ad\u202emin",
    "ad\u2066min",
    "ad\u115fmin",
    "ad\u3164min",
    "ad\ufe0fmin",
    "ad\u00admin",
    "ad\x07min",
    "\ufeffadmin",
]


@pytest.mark.parametrize("name", MIXED, ids=ascii)
def test_word_of_several_alphabets_is_refused(name: str) -> None:
    assert mixed(name)
    for make in (checked, lambda name: parse_settings({**FORM, "name": name})):
        with pytest.raises(FieldInvalid, match="look alike") as refused:
            make(name)  # type: ignore[operator]
        assert refused.value.field in ("username", "name")


@pytest.mark.parametrize("name", WHOLE, ids=ascii)
def test_names_people_have_are_taken(name: str) -> None:
    assert checked(name)
    assert parse_settings({**FORM, "name": name}).name == name


def test_space_may_speak_several_languages_word_by_word() -> None:
    name = "Qwen \u0434\u0435\u043c\u043e (\u6a21\u578b)"
    assert parse_settings({**FORM, "name": name}).name == name


@pytest.mark.parametrize("name", UNSEEN, ids=ascii)
def test_what_nobody_sees_is_in_no_name(name: str) -> None:
    for make in (checked, lambda name: parse_settings({**FORM, "name": name})):
        with pytest.raises(FieldInvalid):
            make(name)  # type: ignore[operator]


def test_one_name_however_it_is_typed(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    for typed in ("\uff4d\uff49\uff4e\uff47", " ming ", "\U0001d426\U0001d422\U0001d427\U0001d420"):
        with pytest.raises(UsernameTaken):
            bench.accounts.register(typed, PASSWORD)
        assert bench.accounts.login(typed, PASSWORD)[1].username == "ming"


def test_name_of_one_alphabet_that_reads_as_somebodys_is_taken(bench: Bench) -> None:
    bench.accounts.seed()
    alike = "\u0441\u043e\u0440\u0430"
    assert read_as(alike) == "copa"
    bench.accounts.register("copa", PASSWORD)
    with pytest.raises(UsernameTaken, match="somebody else"):
        bench.accounts.register(alike, PASSWORD)
    admin = bench.store.accounts.user_named("admin")
    assert admin
    with pytest.raises(UsernameTaken):
        bench.accounts.people.add(admin, alike, "user", Origin("192.0.2.1"))
    assert bench.accounts.register("\u0441\u043e\u0440\u0430\u0430", PASSWORD), "nobody reads that as somebody"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("\u0441\u043e\u0440\u0430", "copa"),
        ("\u03bf\u03bf\u03bf", "\u043e\u043e\u043e"),
        ("\u0441\u043e\u0440\u0430-12.ok", "copa-12.ok"),
        ("copa.\u043e_\u04cf", "\u0441\u043e\u0440\u0430.o_l"),
        ("\u04ba\u043e\u04bb\u0430", "hoha"),
    ],
    ids=ascii,
)
def test_whichever_of_two_names_that_read_alike_was_first(bench: Bench, first: str, then: str) -> None:
    bench.accounts.register(first, PASSWORD)
    with pytest.raises(UsernameTaken, match="somebody else"):
        bench.accounts.register(then, PASSWORD)


def test_spellings_of_a_name_are_few_and_read_as_it() -> None:
    assert spellings("ming") == spellings("\u674e\u660e") == ()
    for name in ("h" * 64, "-".join("o" * 32)):
        found = spellings(name)
        assert 0 < len(found) < MOST_SPELLINGS
        assert {read_as(other) for other in found} == {name}


def test_letters_that_look_alike_are_of_other_alphabets() -> None:
    for foreign, latin in AS_LATIN.items():
        assert mixed(chr(foreign) + "w"), hex(foreign)
        assert ord(latin if isinstance(latin, str) else chr(latin)) < 128
