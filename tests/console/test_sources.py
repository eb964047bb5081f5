"""What the console's sources must hold together: words, ids, and the generated client."""

from __future__ import annotations

import re

from tests.conftest import ROOT
from tools.make_api_client import TARGET, client

SCRIPTS = sorted((ROOT / "static" / "js" / "console").glob("*.js"))
TEMPLATES = sorted((ROOT / "templates" / "console").glob("*.html"))


def templates() -> str:
    return "\n".join(template.read_text(encoding="utf-8") for template in TEMPLATES)


def scripts() -> str:
    return "\n".join(script.read_text(encoding="utf-8") for script in SCRIPTS)


def test_the_client_is_the_generated_one() -> None:
    assert TARGET.read_text(encoding="utf-8") == client(), "run `python -m tools.make_api_client`"


def test_scripts_say_only_words_that_exist() -> None:
    known = set(re.findall(r"data-(\w+)=", templates()))
    said = set(re.findall(r"words\(\"(\w+)\"", scripts()))
    said |= set(re.findall(r"cell\(\"(\w+)\"", scripts())) | set(re.findall(r"fact\(\"(\w+)\"", scripts()))
    said -= {"p50", "p95", "p99"}
    assert said - known == set()


def test_scripts_ask_only_for_elements_that_exist() -> None:
    ids = set(re.findall(r"\bid=\"([\w-]+)\"", templates()))
    ids |= {f"stats-{kind}" for kind in ("methods", "spaces", "workers")}
    ids |= {f"{part}-{tab}" for part in ("tab", "panel") for tab in ("overview", "testing")}
    assert set(re.findall(r"byId\(\"([\w-]+)\"\)", scripts())) - ids == set()


def test_scripts_call_only_what_the_client_has() -> None:
    known = set(re.findall(r"^  (\w+): \(", TARGET.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"api\.(\w+)", scripts())) - known == set()


def test_no_script_makes_markup_of_text() -> None:
    active = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    assert not active.search(scripts())
    assert not active.search(TARGET.read_text(encoding="utf-8"))
