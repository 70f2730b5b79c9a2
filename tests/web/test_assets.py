"""Static files: under a fingerprint, kept for ever, small, and from nowhere else."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from chukan.platform.web import assets
from chukan.platform.web.assets import asset

STATIC = assets.ROOT / "static"
NAMES = sorted(path.name for path in STATIC.iterdir())


@pytest.mark.parametrize("name", [*NAMES, "bootstrap.css"])
def test_a_file_is_served_under_its_fingerprint_and_kept_for_a_year(app: Flask, name: str) -> None:
    answer = app.test_client().get(asset(name))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.content_type in {
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
        "image/svg+xml; charset=utf-8",
    }
    assert "Set-Cookie" not in answer.headers


def test_a_page_of_the_version_before_still_gets_its_files_but_they_are_not_kept(app: Flask) -> None:
    answer = app.test_client().get("/-/assets/0000000000000000/app.css")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["app.py", "../assets.py", "%2e%2e/assets.py", "nothing.css", "bootstrap.css.map"])
def test_nothing_but_the_static_files_is_served(app: Flask, path: str) -> None:
    assert app.test_client().get(f"/-/assets/{asset('app.css').split('/')[3]}/{path}").status_code == 404


def test_a_file_that_is_not_there_is_noticed_when_the_page_is_made() -> None:
    with pytest.raises(KeyError):
        asset("nothing.css")


def test_the_modules_are_small_and_import_nothing_from_elsewhere() -> None:
    scripts = {path.name: path.read_text("utf-8") for path in STATIC.glob("*.js")}
    assert sum(len(source.encode()) for source in scripts.values()) < 10 * 1024
    imported = {name for source in scripts.values() for name in re.findall(r'import "([^"]+)"', source)}
    assert imported == {f"./{name}" for name in scripts} - {"./app.js"}


@pytest.mark.parametrize("name", NAMES)
def test_a_static_file_asks_for_nothing_outside(name: str) -> None:
    source = (STATIC / name).read_text("utf-8")
    assert re.findall(r"""(?:url\(|import\s|fetch\()\s*["']?(?:https?:)?//""", source) == []


def test_colours_are_named_once() -> None:
    style = (STATIC / "app.css").read_text("utf-8")
    named = set(re.findall(r"(--[a-z0-9-]+):", style))
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", style))
    assert used - named == set()
