"""What may be put under load: this machine; anything else only when its owner agreed and it was proved harmless."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project.load import ScenarioConfig, SteadyLoadScenario, permission
from project.load.cli.main import main
from project.load.core import profile
from project.load.core.plan import Plan
from project.load.errors import BadUsage, RunRefused
from project.load.permission import Caps, is_loopback, origin_of, permit, read_allowed, write_proof
from project.load.targets.kinds import TargetOptions, make_target
from project.load.targets.relay import RelayOptions
from project.load.targets.services import service_from
from tests.conftest import Process
from tests.load.conftest import Calibration

TOKEN = "nobody guesses this one"
CAPS = "users = 50\nrate = 100\nduration_s = 600\n"


@pytest.mark.parametrize(
    "url",
    ["ws://localhost:1", "http://127.0.0.1", "http://127.9.9.9:80/x", "http://[::1]:5001", "http://app.localhost."],
)
def test_this_machine_is_free(url: str, tmp_path: Path) -> None:
    assert is_loopback(url)
    assert asyncio.run(permit(url, tmp_path / "none.toml")) == Caps()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::ffff:10.0.0.1]",
        "ws://127.0.0.1@example.org/",
        "http://2130706433/",
    ],
)
def test_anything_else_is_refused_without_an_entry(url: str, tmp_path: Path) -> None:
    assert not is_loopback(url)
    with pytest.raises(RunRefused, match="not among the targets"):
        asyncio.run(permit(url, tmp_path / "none.toml"))


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///x",
        "http://[::1:8088",
        "http://[::1].example.org/",
        "http://127.0.0.1:80:90/",
        "http://127.0.0.1:99999/",
        "http://example.org\\@127.0.0.1/",
        "localhost:80",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadUsage, match="is no address of a target"):
        is_loopback(url)
    for command in (["load"], ["steady", "--target", "socketio"], ["upload"], ["verify"], ["load", "--space", "x"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--url", url, *([] if command == ["verify"] else ["--output", str(tmp_path / "runs")])])
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_origins_are_compared_not_texts() -> None:
    assert origin_of("wss://Example.org:443/ws?x=1") == origin_of("https://example.org/other") == "https://example.org"
    assert origin_of("http://example.org:8080") != origin_of("http://example.org")
    with pytest.raises(BadUsage):
        origin_of("ftp://example.org")
    with pytest.raises(BadUsage):
        origin_of("http://example.org:port")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """A server that is treated as another machine; call it with the token it serves, get its address."""
    monkeypatch.setattr(permission, "is_loopback", lambda url: False)
    folder = tmp_path / "served"
    (folder / ".well-known").mkdir(parents=True)
    processes: list[Process] = []

    def serve(token: str) -> str:
        if token:
            (folder / ".well-known" / "load-test-token").write_text(token + "\n", encoding="utf-8")
        process = Process("-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder))
        processes.append(process)
        process.says("Serving HTTP on")
        return f"http://127.0.0.1:{process.output.split(' port ')[1].split()[0]}"

    yield serve
    for process in processes:
        process.end()


def config(folder: Path, url: str, token: str = TOKEN, caps: str = CAPS) -> Path:
    path = folder / "load.toml"
    path.write_text(f'[targets."{url}"]\ntoken = "{token}"\n{caps}', encoding="utf-8")
    return path


def test_entry_token_and_proof_together_permit_and_each_alone_does_not(
    far: Callable[[str], str], tmp_path: Path
) -> None:
    url, proofs = far(TOKEN), tmp_path / "proofs"
    path = config(tmp_path, url)
    with pytest.raises(RunRefused, match="There is no proof"):
        asyncio.run(permit(url, path, proofs))
    (entry,) = read_allowed(path).values()
    write_proof(entry, proofs)
    assert asyncio.run(permit(url, path, proofs)) == Caps(50, 100, 600)
    with pytest.raises(RunRefused, match="not among"):
        asyncio.run(permit("http://127.0.0.1:1", path, proofs))
    with pytest.raises(RunRefused, match="has not agreed"):
        asyncio.run(permit(url, config(tmp_path, url, token="another long token"), proofs))


def test_a_target_that_serves_no_token_has_not_agreed(far: Callable[[str], str], tmp_path: Path) -> None:
    url, proofs = far(""), tmp_path / "proofs"
    path = config(tmp_path, url)
    write_proof(*read_allowed(path).values(), proofs)
    with pytest.raises(RunRefused, match="has not agreed"):
        asyncio.run(permit(url, path, proofs))


def test_proofs_grow_old_and_are_of_one_target_and_token(tmp_path: Path) -> None:
    (entry,) = read_allowed(config(tmp_path, "https://a.example")).values()
    (other,) = read_allowed(config(tmp_path, "https://a.example", token="another long token")).values()
    path = write_proof(entry, tmp_path, now_epoch_s=1000)
    assert permission.has_proof(entry, tmp_path, now_epoch_s=1000 + 86_400)
    assert not permission.has_proof(entry, tmp_path, now_epoch_s=1001 + 86_400)
    assert not permission.has_proof(entry, tmp_path, now_epoch_s=999)
    assert not permission.has_proof(other, tmp_path, now_epoch_s=1001)
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"at": 5000}), encoding="utf-8")
    assert not permission.has_proof(entry, tmp_path, now_epoch_s=5001), "a later date was written by hand"
    path.write_text("{", encoding="utf-8")
    assert not permission.has_proof(entry, tmp_path, now_epoch_s=1001)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "is not TOML"),
        ("targets = 3", "targets are tables"),
        ('[targets."https://a"]\n' + CAPS, "needs a token"),
        ('[targets."https://a"]\ntoken = "short"\n' + CAPS, "needs a token"),
        (f'[targets."https://a"]\ntoken = "{TOKEN}"\nusers = 1\nrate = 1\n', "needs duration_s"),
        (f'[targets."https://a"]\ntoken = "{TOKEN}"\nusers = -1\nrate = 1\nduration_s = 1\n', "needs users"),
        (f'[targets."a"]\ntoken = "{TOKEN}"\n' + CAPS, "no address"),
    ],
)
def test_a_config_that_leaves_something_open_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "load.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadUsage, match=says):
        read_allowed(tmp_path / "load.toml")


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan("x", "open", profile.steady(101, 10)), "101 calls per second"),
        (Plan("x", "open", profile.steady(1, 10), connections=51), "51 users"),
        (Plan("x", "closed", profile.climb(51, 10)), "51 users"),
        (Plan("x", "open", profile.steady(1, 601)), "601 s"),
        (Plan("x", "closed", profile.steady(5, 10)), "say --rps"),
        (Plan("x", "closed", profile.steady(5, 10), think_s=0.001), "5000 calls per second"),
        (Plan("x", "closed", profile.steady(5, 10), thinks=(10, 0.001)), "2000.3 calls per second"),
        (Plan("x", "closed", profile.steady(5, 10), rate_limit=200), "200 calls per second"),
    ],
)
def test_caps_are_kept(plan: Plan, says: str) -> None:
    with pytest.raises(RunRefused, match=says):
        Caps(50, 100, 600).check(plan)
    Caps().check(plan)


def test_every_request_to_another_machine_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    url, given = "http://a.example", {"X-Mine": "1", "x-load-test": "false"}
    service = service_from("mine", {"port": 1, "endpoints": ["/"]})
    assert make_target(TargetOptions("http://127.0.0.1", headers=given)).headers == given
    monkeypatch.setattr(permission, "is_loopback", lambda url: False)
    for options in (
        TargetOptions(url, headers=given),
        TargetOptions("ws://a.example", headers=given),
        TargetOptions(url, "socketio", headers=given),
        TargetOptions(url, headers=given, relay=RelayOptions("x")),
        TargetOptions(url, headers=given, service=service),
    ):
        target = make_target(options)
        assert target.headers == {"X-Mine": "1", "X-Load-Test": "true"}, target.kind


def test_scenarios_from_python_are_refused_alike(
    echo: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(permission, "is_loopback", lambda url: False)
    with pytest.raises(RunRefused):
        asyncio.run(SteadyLoadScenario(ScenarioConfig(base_url=echo.ws)).execute())
