"""The console as people and machines ask it: over its certificate, and at the port of the probes."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from chukan.platform.component import Health
from chukan.platform.settings import Settings

_ANSWER_SECONDS = 5.0


def authority(settings: Settings) -> Path:
    """Return the certificate of the authority that the front made for itself."""
    return settings.console.runtime_directory / "caddy/pki/authorities/local/root.crt"


def is_served(settings: Settings) -> bool:
    """Return whether the log-in page comes, under a certificate that the front's authority vouches for."""
    place = urlsplit(settings.external_url)
    try:
        trusting = ssl.create_default_context(cafile=authority(settings))
        asked = http.client.HTTPSConnection(place.netloc, timeout=_ANSWER_SECONDS, context=trusting)
        with closing(asked):
            asked.request("GET", "/login")
            return asked.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def checks(settings: Settings) -> tuple[bool, Sequence[tuple[str, Health]]]:
    """Return whether the console calls itself ready, and what each check found; without an answer neither."""
    asked = http.client.HTTPConnection("127.0.0.1", settings.console.probe_port, timeout=_ANSWER_SECONDS)
    try:
        with closing(asked):
            asked.request("GET", "/readyz")
            told = json.loads(asked.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return False, []
    return bool(told["ready"]), [(name, Health(each["health"])) for name, each in told["checks"].items()]
