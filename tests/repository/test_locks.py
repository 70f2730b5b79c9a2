"""The lock files pin everything by hash, belong to pyproject.toml, and name no package index."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from repository.tree import ROOT, shown

PIN = re.compile(r"^(?P<name>[\w.-]+)(?:\[[\w,.-]+\])?==(?P<version>[^\s;]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
#: What the address of a package index looks like, whoever runs it.
INDEX = re.compile(
    r"https?://[^\s\"']*(/simple\b|/packages/|pypi|pythonhosted|registry\.|npmjs)|--(extra-)?index-url|--find-links",
    re.IGNORECASE,
)


@cache
def project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def declared(group: str) -> list[Requirement]:
    """Return the requirements of a dependency *group*, its included groups among them."""
    found = []
    for entry in project()["dependency-groups"][group]:
        found += declared(entry["include-group"]) if isinstance(entry, dict) else [Requirement(entry)]
    return found


def entries(lock: str) -> dict[str, str]:
    """Return each pinned package of *lock* with the text of its entry."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    return {canonicalize_name(match["name"]): block for block in blocks if (match := PIN.match(block))}


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_every_line_of_a_lock_is_a_pin_with_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    starts = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert [line for line in starts if not PIN.match(line)] == []
    assert len(starts) == len(entries(lock)) > 20
    assert [name for name, block in entries(lock).items() if not HASH.search(block)] == []


@pytest.mark.parametrize(("lock", "group"), [("runtime", "build"), ("dev", "dev")])
def test_a_lock_satisfies_what_pyproject_declares(lock: str, group: str) -> None:
    pins = entries(lock)
    wanted = [Requirement(line) for line in project()["project"]["dependencies"]] + declared(group)
    wrong = []
    for requirement in wanted:
        pin = PIN.match(pins.get(canonicalize_name(requirement.name), ""))
        if pin is None or not requirement.specifier.contains(Version(pin["version"])):
            wrong.append(str(requirement))
    assert wrong == []


def test_both_locks_pin_the_same_versions() -> None:
    runtime, dev = entries("runtime"), entries("dev")
    assert [name for name, entry in runtime.items() if HASH.findall(entry) != HASH.findall(dev[name])] == []


def test_the_build_backend_is_among_the_locked_packages() -> None:
    assert project()["build-system"]["requires"] == [str(each) for each in declared("build")]


def test_no_file_names_a_package_index() -> None:
    suffixes = {".txt", ".toml", ".json", ".lock", ".cfg", ".ini", ".yml", ".yaml", ".in"}
    folders = [ROOT, *(ROOT / name for name in ("requirements", "scripts", ".ci"))]
    files = [path for folder in folders for path in folder.iterdir() if path.suffix in suffixes]
    files += [path for path in (ROOT / "config").rglob("*") if path.suffix in suffixes]
    assert ROOT / "requirements/dev.txt" in files
    assert [shown(path) for path in files if INDEX.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        'url = "https://files.example/packages/ab/cd/x.whl"',
        '"resolved": "https://registry.example/x.tgz"',
        "--find-links /srv/wheels",
    ],
)
def test_an_index_would_be_noticed(line: str) -> None:
    assert INDEX.search(line)
