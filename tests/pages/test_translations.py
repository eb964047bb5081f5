"""Nothing a person reads is left in the wrong language."""

from __future__ import annotations

import io
import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from project.core.reasons import REASONS, RETRIES
from project.errors import MessageInvalid, MessageTooLarge, SettingInvalid, WorkerRefused, every_error
from project.web import words
from tests.conftest import ROOT

FOLDER = ROOT / "project" / "translations" / "zh" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"\{\w+\}")
NEVER_ON_A_PAGE = (WorkerRefused, MessageInvalid, MessageTooLarge, SettingInvalid)


def chinese() -> Catalog:
    return read_po(io.BytesIO((FOLDER / "messages.po").read_bytes()), locale="zh")


def texts(catalog: Catalog) -> dict[str, str]:
    return {str(message.id): str(message.string) for message in catalog if message.id}


def extracted() -> set[str]:
    with (ROOT / "babel.cfg").open(encoding="utf-8") as config:
        methods, options = parse_mapping_cfg(config)  # type: ignore[no-untyped-call]
    found: set[str] = set()
    for folder in ("project/web", "templates"):
        moved = [(pattern.removeprefix(folder + "/"), method) for pattern, method in methods]
        kept = {pattern.removeprefix(folder + "/"): option for pattern, option in options.items()}
        for _, _, message, _, _ in extract_from_dir(ROOT / folder, moved, kept):
            assert isinstance(message, str)
            found.add(message)
    return found


def test_every_text_is_translated() -> None:
    catalog = chinese()
    assert {message.id for message in catalog if message.id and (not message.string or message.fuzzy)} == set()
    assert set(texts(catalog)) == extracted()


def test_the_compiled_file_is_the_compiled_source() -> None:
    fresh = io.BytesIO()
    write_mo(fresh, chinese())
    fresh.seek(0)
    with (FOLDER / "messages.mo").open("rb") as kept:
        assert texts(read_mo(kept)) == texts(read_mo(fresh))


def test_translations_keep_their_placeholders() -> None:
    for source, translated in texts(chinese()).items():
        assert sorted(PLACEHOLDER.findall(source)) == sorted(PLACEHOLDER.findall(translated)), source


def test_badge_and_queue_read_as_the_guide_says() -> None:
    translated = texts(chinese())
    assert translated["✓ Connected"] == "✓ 已连接"
    assert translated["✗ Not connected"] == "✗ 未连接"
    assert translated["Queue size: {n}"] == "队列大小: {n}"


def test_every_error_and_reason_has_words() -> None:
    for error in every_error():
        assert issubclass(error, NEVER_ON_A_PAGE) or error.code in words.BY_CODE, error
    assert set(words.REASONS) == set(REASONS)
    assert set(words.RETRIES) == set(RETRIES)


def test_scripts_say_only_words_that_exist() -> None:
    macros = (ROOT / "templates" / "_macros.html").read_text(encoding="utf-8")
    known = set(re.findall(r"data-(\w+)=", macros)) | set(words.page_words())
    for script in Path(ROOT / "static" / "js").glob("*.js"):
        for call in re.findall(r"words\(([^()]*)", script.read_text(encoding="utf-8")):
            for key in re.findall(r"\"([\w]+)\"", call.split("{")[0]):
                assert key in known, f"{script.name} says {key}"
