"""Thresholds as a command line gives them: a profile or a file, and single rules."""

from __future__ import annotations

import tomllib
from pathlib import Path

from project.load.core.thresholds import PROFILES, Threshold, parse_threshold, thresholds_from
from project.load.errors import BadUsage


def read_thresholds(named: str, rules: tuple[str, ...]) -> tuple[tuple[Threshold, ...], str]:
    """The thresholds of a profile or a file, with single rules added; and the profile's name. Raises BadUsage."""
    if named in PROFILES:
        first, name = PROFILES[named], named
    else:
        path = Path(named)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("thresholds")
        except OSError:
            known = ", ".join(PROFILES)
            raise BadUsage(f"{named!r} is neither a profile ({known}) nor a file that can be read") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadUsage(f"{path} is not TOML: {error}") from error
        if not isinstance(table, dict):
            raise BadUsage(f"{path} has no table [thresholds]")
        first, name = thresholds_from(table), path.name
    added = tuple(parse_threshold(rule) for rule in rules)
    kept = tuple(rule for rule in first if rule.metric not in {one.metric for one in added})
    return kept + added, "own" if added and name == "none" else name
