"""The upload of client records: every row checked, the good ones kept, and under load none."""

from __future__ import annotations

import io
import random
import sqlite3
import zipfile
from typing import Any

import openpyxl
import pytest
import requests

from project.errors import FieldInvalid
from project.load.client_records import ClientRecords, as_csv
from project.web import tables
from project.web.tables import MOST_ELEMENTS_AT_ONCE, read_table
from project.wire.clients import CITIES, FIELDS, PROVINCES, problems
from tests.conftest import LiveSite

SAFE = {"X-Load-Test": "true"}


def test_made_records_keep_the_rules_and_differ() -> None:
    records = ClientRecords(seed=7).batch(10_000)
    assert [problems(record) for record in records if problems(record)] == []
    assert len({record["client_id"] for record in records}) == len(records)
    assert len({record["email"] for record in records}) == len(records)
    assert {record["province"] for record in records} == set(PROVINCES)
    assert all(record["email"].rsplit(".", 1)[1] in ("com", "net", "org", "example", "test") for record in records)
    assert records[:50] == ClientRecords(seed=7).batch(50)
    assert records[:50] != ClientRecords(seed=8).batch(50)


def test_cities_agree_with_their_provinces() -> None:
    for city in CITIES:
        province = PROVINCES[city.province]
        assert all(area[0] in province.letters for area in city.sortation_areas)
        assert set(city.area_codes) <= set(province.area_codes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("phone", "1234"),
        ("phone", "212-555-0100"),
        ("province", "XX"),
        ("postal_code", "12345"),
        ("postal_code", "D1A 1A1"),
        ("date_of_birth", "31.12.1980"),
        ("date_of_birth", "1880-01-01"),
        ("status", "asleep"),
        ("first_name", ""),
        ("last_name", "x" * 201),
    ],
)
def test_a_wrong_value_is_named(field: str, value: str) -> None:
    record = ClientRecords().next() | {field: value}
    assert list(problems(record)) == [field]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"postal_code": "T2P 1A1"}, "postal_code"), ({"phone": "403-555-0100"}, "phone"), ({"city": "Calgary"}, "city")],
)
def test_parts_that_do_not_agree_are_named(change: dict[str, str], field: str) -> None:
    toronto = {"city": "Toronto", "province": "ON", "postal_code": "M5V 1A1", "phone": "416-555-0100"}
    assert problems(ClientRecords().next() | toronto) == {}
    assert list(problems(ClientRecords().next() | toronto | change)) == [field]


def upload(site: LiveSite, session: requests.Session, body: bytes, **more: Any) -> requests.Response:
    files = {"file": (more.pop("name", "clients.csv"), body)}
    return session.post(f"{site.host}/clients/upload/process/", files=files, timeout=60, **more)


def workbook(records: list[dict[str, str]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(list(FIELDS))
    for record in records:
        sheet.append([record[name] for name in FIELDS])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def state(site: LiveSite) -> tuple[int, list[str]]:
    with sqlite3.connect(site.data_dir / "spaces.db") as database:
        (count,) = database.execute("SELECT count(*) FROM client_batches").fetchone()
    return count, sorted(str(path) for path in (site.data_dir / "files").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def user(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


@pytest.mark.slow
@pytest.mark.parametrize("make", [as_csv, workbook])
def test_under_load_nothing_is_kept(site: LiveSite, user: requests.Session, make: Any) -> None:
    records = ClientRecords(seed=1).batch(200)
    before = state(site)
    answer = upload(site, user, make(records), headers=SAFE)
    assert answer.json() == {
        "success": True,
        "message": "Load test mode: 200 clients processed (no DB writes)",
        "load_test_mode": True,
        "processed_count": 200,
        "failed_count": 0,
        "errors": [],
    }
    assert state(site) == before


@pytest.mark.slow
def test_otherwise_a_batch_is_kept_for_its_person(site: LiveSite, user: requests.Session) -> None:
    records = ClientRecords(seed=2).batch(20)
    records[4] |= {"province": "XX"}
    records[9] |= {"client_id": records[0]["client_id"]}
    body = upload(site, user, as_csv(records), name="mine.csv").json()
    assert (body["processed_count"], body["failed_count"], body["load_test_mode"]) == (18, 2, False)
    assert [(error["row"], error["field"]) for error in body["errors"]] == [(5, "province"), (10, "client_id")]
    address = f"{site.host}/clients/batches/{body['batch_id']}"
    kept = user.get(address, timeout=60).json()
    assert (kept["name"], kept["count"], kept["records"][0]) == ("mine.csv", 18, records[0])
    listed = user.get(f"{site.host}/clients/batches/", timeout=60).json()["batches"]
    assert body["batch_id"] in [batch["batch_id"] for batch in listed]
    other = requests.Session()
    made = {"username": "another.person", "password": "a good long password", "confirm": "a good long password"}
    other.post(f"{site.host}/register", data=made, timeout=60)
    other.post(f"{site.host}/login", data=made, timeout=60)
    assert other.get(address, timeout=60).status_code == 404
    assert other.post(f"{address}/delete", timeout=60).status_code == 404
    assert user.post(f"{address}/delete", timeout=60).json()["success"] is True
    assert user.get(address, timeout=60).status_code == 404


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * (300 * 1024 * 1024))
    return target.getvalue()


def broken_zip() -> bytes:
    return b"PK\x03\x04" + random.Random(1).randbytes(500)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "file"),
        (b"client_id,first_name\n1,A\n", "last_name"),
        (as_csv([]), "file"),
        (b"\xff\xfe\x00\x01", "file"),
        (b'client_id,"a\n', "file"),
        (broken_zip(), "file"),
        (as_csv([ClientRecords().next() | {"email": "x"}]), "email"),
    ],
    ids=["empty", "columns missing", "heading only", "not a table", "open quote", "broken archive", "no good row"],
)
def test_a_file_that_cannot_be_used_is_refused(site: LiveSite, user: requests.Session, body: bytes, field: str) -> None:
    before = state(site)
    answer = upload(site, user, body)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    assert state(site) == before


@pytest.mark.slow
def test_a_workbook_that_unpacks_without_end_is_refused(site: LiveSite, user: requests.Session) -> None:
    answer = upload(site, user, bomb(), name="bomb.xlsx")
    assert answer.status_code == 400
    assert "too large" in answer.json()["error"]


def crowded(part: str, many: int, *, rows: bool = False) -> bytes:
    """A workbook with so many elements more in one part, or in one of another name: small, and large in memory."""
    source, target = zipfile.ZipFile(io.BytesIO(workbook([ClientRecords().next()]))), io.BytesIO()
    more = (b"<row/>" if rows else b"<c/>") * many
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == part:
                end = data.rindex(b"</sheetData>" if rows else b"</")
                data = data[:end] + more + data[end:]
            archive.writestr(name, data)
        if part not in source.namelist():
            archive.writestr(part, b"<sheet>" + more)
    return target.getvalue()


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/styles.xml", "[Content_Types].xml", "xl/other.dat"])
def test_a_workbook_that_needs_endless_memory_is_refused(part: str) -> None:
    with pytest.raises(FieldInvalid, match="too many cells"):
        read_table(io.BytesIO(crowded(part, MOST_ELEMENTS_AT_ONCE + 1)))


def test_a_workbook_that_takes_endless_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    many = crowded("xl/worksheets/sheet1.xml", 2000, rows=True)
    assert len(read_table(io.BytesIO(many))) == 1
    monkeypatch.setattr(tables, "MOST_ELEMENTS", 2000)
    with pytest.raises(FieldInvalid, match="too many cells"):
        read_table(io.BytesIO(many))


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/other.dat"])
@pytest.mark.parametrize("begins", [b"", b"<a b='", b"<!--"])
def test_a_tag_without_end_is_refused_before_it_takes_the_time_of_all(part: str, begins: bytes) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(part, begins + b"0" * (64 * 1024 * 1024))
    with pytest.raises(FieldInvalid, match="a tag without end"):
        read_table(io.BytesIO(target.getvalue()))


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(FieldInvalid, match="workbook cannot be read"):
        read_table(io.BytesIO(target.getvalue()))


@pytest.mark.slow
def test_of_two_files_none_is_passed_over(site: LiveSite, user: requests.Session) -> None:
    file = ("a.csv", as_csv([ClientRecords().next()]))
    answer = user.post(f"{site.host}/clients/upload/process/", files=[("file", file), ("file", file)], timeout=60)
    assert (answer.status_code, answer.json()["field"]) == (400, "file")


@pytest.mark.slow
def test_who_may_and_what_is_missing(site: LiveSite, user: requests.Session) -> None:
    assert upload(site, requests.Session(), b"x").status_code == 401
    nothing = user.post(f"{site.host}/clients/upload/process/", timeout=60)
    assert (nothing.status_code, nothing.json()["field"]) == (400, "file")
