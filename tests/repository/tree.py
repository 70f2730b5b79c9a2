"""Where things are in the checkout, for the tests that look at the repository itself."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AREAS = ("platform", "tenants", "vpn", "monitoring", "helpdesk")
LINKS = {**{f"src/chukan/{area}": f"../../{area}" for area in (*AREAS, "config")}} | {
    "src/chukan_simulators": "../tests/simulators"
}


def product_modules() -> Iterator[Path]:
    """Yield every Python file that is installed, by its real path, sorted."""
    folders = (*(ROOT / area for area in AREAS), ROOT / "src/chukan", ROOT / "tests/simulators")
    for folder in folders:
        # rglob follows no links below the folder, so a linked area is not met twice.
        yield from (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)


def python_files() -> Iterator[Path]:
    """Yield every Python file of the repository: product, tests and scripts."""
    yield from product_modules()
    for folder in (ROOT / "tests", ROOT / "scripts"):
        for path in sorted(folder.rglob("*.py")):
            if "__pycache__" not in path.parts and ROOT / "tests/simulators" not in path.parents:
                yield path


def dotted(path: Path) -> str:
    """Return the name under which the product file *path* is imported."""
    relative = path.relative_to(ROOT)
    parts = list(relative.with_suffix("").parts)
    if parts[0] == "src":
        parts = parts[1:]
    elif parts[:2] == ["tests", "simulators"]:
        parts = ["chukan_simulators", *parts[2:]]
    else:
        parts = ["chukan", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of *path*."""
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def shown(path: Path) -> str:
    """Return *path* as a reader of the repository writes it."""
    return path.relative_to(ROOT).as_posix()


def copy_product(target: Path) -> None:
    """Copy the product's folders and links to *target*, so that a test may plant or build there."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", *(Path(link).name for link in LINKS))
    for folder in (*AREAS, "config", "tests/simulators"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "src", target / "src", ignore=ignored)
    for link, to in LINKS.items():
        (target / link).symlink_to(to)
    for name in ("pyproject.toml", ".importlinter", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
