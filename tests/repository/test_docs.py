"""The documentation says what the code does, and leads nowhere that does not exist."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from chukan.platform.errors import HTTP_STATUS
from chukan.wiring import components
from repository.tree import AREAS, ROOT, shown

DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:|#)([^)#\s]+)")


def docs_script() -> ModuleType:
    """Return scripts/docs.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_script", ROOT / "scripts/docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def markdown() -> list[Path]:
    """Return every page of the repository."""
    tops = [*ROOT.glob("*.md"), *ROOT.glob("changelog.d/*.md")]
    below = [path for folder in (*AREAS, "docs", "config", "tests") for path in (ROOT / folder).rglob("*.md")]
    return sorted(path for path in tops + below if not any(part.startswith(".") for part in path.parts[1:]))


@pytest.mark.parametrize("name", ["errors.md", "commands.md", "metrics.md", "settings.md", "logs.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    written = (DOCS / name).read_text("utf-8") if (DOCS / name).exists() else ""
    assert written == docs_script().pages()[name], "run: make docs"


def test_an_error_has_a_code_of_its_own_and_says_what_to_do() -> None:
    script = docs_script()
    script.import_everything()
    errors = script.product_errors()
    assert [code for code, times in Counter(error.code for error in errors).items() if times > 1] == []
    assert [error.__name__ for error in errors if not (error.message and error.hint)] == []
    assert [error.__name__ for error in errors if error.failure not in HTTP_STATUS] == []
    assert [error.code for error in errors if not re.fullmatch(r"fault|[a-z_]+(\.[a-z0-9_]+)+", error.code)] == []


def test_every_check_has_a_name_of_its_own_and_a_runbook() -> None:
    checks = [check for component in components() for check in component.checks]
    assert len({check.name for check in checks}) == len(checks)
    assert [check.name for check in checks if not (DOCS / "runbooks" / f"{check.runbook}.md").is_file()] == []


def test_every_metric_has_a_name_of_its_own_with_our_prefix() -> None:
    metrics = [metric for component in components() for metric in component.metrics]
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert [metric.name for metric in metrics if not metric.name.startswith("chukan_")] == []


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    broken = [
        f"{shown(path)}: {target}"
        for path in markdown()
        for target in LINK.findall(path.read_text("utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []
    assert len(markdown()) > 3
