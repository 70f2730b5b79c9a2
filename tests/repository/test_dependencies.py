"""What the product imports is declared, and what is declared is explained and may be used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, metadata, packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from repository.tree import ROOT, parsed, product_modules

OWN = {"chukan", "chukan_simulators"}
#: Licences that an Apache-2.0 program may depend on. LGPL only as a library that is installed beside it.
COMPATIBLE = re.compile(r"MIT|BSD|Apache|ISC|PSF|MPL[- ]2|Mozilla|LGPL-3|Unlicense|Zlib|0BSD", re.IGNORECASE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PAGE = (ROOT / "docs/decisions/dependencies.md").read_text("utf-8")


def names(lines: list[str | dict[str, str]]) -> set[str]:
    """Return the normalised package names of requirement *lines*."""
    return {canonicalize_name(Requirement(line).name) for line in lines if isinstance(line, str)}


RUNTIME = names(PROJECT["project"]["dependencies"])
DECLARED = RUNTIME.union(*(names(group) for group in PROJECT["dependency-groups"].values()))


def imported() -> set[str]:
    """Return the top-level packages that the product imports."""
    found = set()
    for path in product_modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - OWN


def test_everything_that_the_product_imports_is_declared() -> None:
    providers = packages_distributions()
    undeclared = {
        package
        for package in imported()
        if not {canonicalize_name(name) for name in providers.get(package, [])} & RUNTIME
    }
    assert undeclared == set()


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_dependency_is_explained_in_one_line(name: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert len(cells) == 5
    assert all(cells)


def test_no_dependency_is_explained_that_is_gone() -> None:
    explained = set(re.findall(r"^\| `([\w.-]+)` \|", PAGE, flags=re.MULTILINE))
    assert explained == DECLARED


def files_of(name: str) -> str | None:
    """Return the text of the licence file that came with *name*."""
    return distribution(name).read_text("licenses/LICENSE")


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_dependency_has_a_licence_that_we_may_use(name: str) -> None:
    told = metadata(name)
    classifiers = [line for line in told.get_all("Classifier", []) if line.startswith("License")]
    licence = " ".join([*told.get_all("License-Expression", []), *told.get_all("License", []), *classifiers])
    # Some say it in the file alone, whose first line is the licence's name.
    licence = licence or next(iter((files_of(name) or "").splitlines()), "")
    assert COMPATIBLE.search(licence), licence
    assert not re.search(r"\bA?GPL", licence), licence
