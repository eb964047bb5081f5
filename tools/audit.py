"""``make audit``: look up known holes of every pinned package, and say so plainly when nobody could be asked.

The auditor calls a package that its service does not answer for "skipped", and is content. An audit of nothing is none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

NOT_REACHED: Final = "FAILED: no vulnerability service can be reached from here; nothing was audited."


def verdict(report: str) -> tuple[list[str], int]:
    """What to print, and the exit code, for the auditor's JSON; of text that is none, nothing was audited."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return [NOT_REACHED], 1
    skipped = [package for package in packages if "skip_reason" in package]
    if not packages or len(skipped) == len(packages):
        return [NOT_REACHED], 1
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in {' or '.join(hole['fix_versions']) or 'none'}"
        for package in packages
        for hole in package.get("vulns", ())
    ]
    said = [*holes, *(f"{package['name']}: not audited, {package['skip_reason']}" for package in skipped)]
    if said:
        return [*said, f"FAILED: {len(holes)} known holes; {len(skipped)} packages not audited."], 1
    return [f"No known hole in {len(packages)} packages."], 0


def main(command: Sequence[str]) -> int:
    """Run the auditor that ``command`` calls; its exit code cannot be trusted, its report can."""
    wanted = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, *wanted, "-r", "constraints.txt"], capture_output=True, text=True, check=False)
    lines, code = verdict(done.stdout)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
