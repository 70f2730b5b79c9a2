"""Static files under addresses that change with their contents, so that they may be kept for ever.

All files share one fingerprint: modules import one another by relative paths, and a change of one is a change of all.
Bootstrap's style sheet is taken from the wheel of Bootstrap-Flask; nothing is fetched from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from flask import Flask, Response, abort

ROOT = Path(__file__).parent
#: The endpoint of every static file; it is public, and tells nothing about anybody.
ENDPOINT = "asset"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def install(app: Flask) -> None:
    """Serve the static files from *app*, and let its templates say ``asset("app.css")``."""
    app.add_url_rule("/-/assets/<fingerprint>/<name>", ENDPOINT, _serve)
    app.jinja_env.globals["asset"] = asset


def asset(name: str) -> str:
    """Return the path below which the browser finds the static file *name*.

    Raises:
        KeyError: there is no such file.
    """
    if name not in _assets():
        raise KeyError(name)
    return f"/-/assets/{_fingerprint()}/{name}"


def _serve(fingerprint: str, name: str) -> Response:
    found = _assets().get(name)
    if found is None:
        abort(404)
    response = Response(found, content_type=f"{_TYPES[Path(name).suffix]}; charset=utf-8")
    # A page of the version before asks under its own fingerprint: it is served, and not kept.
    is_current = fingerprint == _fingerprint()
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_current else "no-cache"
    return response


@cache
def _assets() -> Mapping[str, bytes]:
    bootstrap: Traversable = files("flask_bootstrap") / "static" / "bootstrap5" / "css" / "bootstrap.min.css"
    ours = {path.name: path for path in sorted((ROOT / "static").iterdir()) if path.suffix in _TYPES}
    return {name: source.read_bytes() for name, source in {"bootstrap.css": bootstrap, **ours}.items()}


@cache
def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name, content in _assets().items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:16]
