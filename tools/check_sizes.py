"""Modules stay under 400 lines and functions under 50; prints the medians."""

from __future__ import annotations

import ast
import statistics
import sys
from pathlib import Path

MOST_MODULE = 400
MOST_FUNCTION = 50
SKIPPED = "migrations/versions"
TABLES = ("project/errors.py",)
"""One short class after another, as a table has rows: long, and no harder to read for it."""


def main() -> None:
    """Print what is too long and exit 1, or print the medians."""
    modules: list[int] = []
    functions: list[int] = []
    problems: list[str] = []
    for path in sorted(Path("project").rglob("*.py")):
        if SKIPPED in path.as_posix():
            continue
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        modules.append(lines)
        if lines > MOST_MODULE and path.as_posix() not in TABLES:
            problems.append(f"{path}: {lines} lines (at most {MOST_MODULE})")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                functions.append(length)
                if length > MOST_FUNCTION:
                    problems.append(f"{path}:{node.lineno} {node.name}: {length} lines (at most {MOST_FUNCTION})")
    print(f"{len(modules)} modules, median {statistics.median(modules):.0f} lines; ", end="")
    print(f"{len(functions)} functions, median {statistics.median(functions):.0f} lines")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
