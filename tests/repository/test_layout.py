"""The layout that everything else counts on (docs/architecture.md)."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from repository.tree import AREAS, LINKS, ROOT, product_modules, python_files, shown

LONGEST_MODULE = 500
#: Words that say that something is not there yet. Written apart, so that this file does not hold them.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|NotImpl" r"emented(Error)?)\b")


def test_the_standard_library_platform_is_imported_from_the_root() -> None:
    program = "import platform, sys; print(platform.__file__); print(platform.system())"
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    assert not answer[0].startswith(str(ROOT / "platform"))
    assert answer[0].endswith("platform.py")
    assert answer[1] == os.uname().sysname


@pytest.mark.parametrize("area", AREAS)
def test_an_area_has_a_component_and_no_init(area: str) -> None:
    assert (ROOT / area / "component.py").is_file()
    assert not (ROOT / area / "__init__.py").exists()


@pytest.mark.parametrize("area", AREAS)
def test_a_feature_folder_with_modules_is_a_package(area: str) -> None:
    folders = {path.parent for path in (ROOT / area).rglob("*.py") if "versions" not in path.parts}
    assert [shown(folder) for folder in folders - {ROOT / area} if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize(("link", "target"), sorted(LINKS.items()))
def test_a_link_is_a_link_to_its_folder(link: str, target: str) -> None:
    path = ROOT / link
    assert path.is_symlink()
    assert path.readlink().as_posix() == target
    assert path.is_dir()


def test_no_module_is_too_long_to_read() -> None:
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_nothing_in_the_product_says_that_it_is_unfinished() -> None:
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in product_modules()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert found == []
