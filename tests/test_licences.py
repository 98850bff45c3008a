"""Everything that ships and is no code of ours is on the page of licences, with the notice that it asks for."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "earmark"
PAGE = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
# What is written by hand for Earmark alone, by its ending.
OURS = {".py", ".toml", ".jinja", ".js", ".html", ".css", ".md", ".txt", ".typed"}


def named() -> list[str]:
    return [word for line in PAGE.splitlines() if line.startswith("|") for word in line.split("`")[1::2]]


def test_every_file_that_is_not_written_by_hand_is_on_the_page():
    files = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()]
    data = [path for path in files if "__pycache__" not in path and Path(path).suffix not in OURS]
    assert data
    assert [path for path in data if not any(fnmatch(path, pattern) for pattern in named())] == []


def test_every_file_on_the_page_exists():
    paths = [name for name in named() if "/" in name and "EXTRA" not in name]
    assert [name for name in paths if not list(PACKAGE.glob(name))] == []


def test_notices_of_other_peoples_licences_are_licence_files_of_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    notices = [path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*LICENSE*")]
    assert len(notices) >= 2
    assert [path for path in notices if not any(fnmatch(path, each) for each in project["license-files"])] == []
    assert {"MIT", "ISC", "OFL-1.1"} <= set(project["license"].split())
