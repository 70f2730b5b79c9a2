"""The demonstration's own installation: its settings, and the doors to its database.

Its settings stand in a file of its folder, and nothing of the caller's environment is asked: a variable that
leads to another database must not lead the demonstration there.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import Engine

from chukan.demo.network import Network
from chukan.demo.place import Place, stop_server
from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.setup import initialise_embedded
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import DatabaseSettings, Environment, Settings
from chukan.platform.settings.load import load
from chukan.platform.settings.sources import CONFIG_DIRECTORY

ACTOR = "system:demo"
_DATABASE = "chukan"
#: Where the console is found if nobody else listens there.
_CONSOLE_PORT = 8443
_PROBE_PORT = 9108
_GATEWAY_PORT = 8444
_GATEWAY_PROBE_PORT = 9111


@dataclass
class Installation:
    """A prepared, running installation; every door is closed with it."""

    settings: Settings
    request: str = field(default_factory=new_request_id)
    _engines: dict[ProcessKind, Engine] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return SystemClock().now()

    def engine(self, kind: ProcessKind) -> Engine:
        """Return the engine under the log-in of *kind*."""
        if kind not in self._engines:
            engine = process_engine(self.settings.database, kind)
            self._open.callback(engine.dispose)
            self._engines[kind] = engine
        return self._engines[kind]

    def actor(self, kind: ProcessKind) -> Actor:
        """Return the demonstration as it acts under the log-in of *kind*."""
        return Actor(self.engine(kind), ACTOR, self.request)

    def close(self) -> None:
        """Close every door."""
        self._open.close()


@contextmanager
def serving_installation(place: Place, mail_port: int, network: Network) -> Iterator[Installation]:
    """Run the database of *place* with everything in it that a new installation has, and yield its doors.

    Mail is handed over at *mail_port* of this machine, messages to *network*.

    Raises:
        DirectoryUnusable, ServerMissing, ServerNotStarted: the database's server does not start.
    """
    place.prepare()
    place.cards.prepare()
    cluster = EmbeddedCluster(place.embedded)
    try:
        # It may be adopted: a killed run leaves it.
        cluster.start()
        prepared = DatabaseSettings(name=_DATABASE, secrets_directory=place.system / "secrets", embedded=place.embedded)
        initialise_embedded(cluster, prepared)
        write_settings(place, cluster, mail_port, network)
        installation = Installation(own_settings(place))
        try:
            yield installation
        finally:
            installation.close()
    finally:
        stop_server(cluster)


def own_settings(place: Place) -> Settings:
    """Return the settings in the folder of *place*, and only those."""
    return load(variables={CONFIG_DIRECTORY: str(place.settings)}, working_directory=place.home).settings


def write_settings(place: Place, cluster: EmbeddedCluster, mail_port: int, network: Network) -> None:
    """Write the settings file: all processes read it, and commands that CHUKAN_CONFIG_DIRECTORY leads to it."""
    system, reached = place.system, cluster.address()
    tree: dict[str, Mapping[str, object]] = {
        # By its address and not as the embedded one: nobody but us prepares, starts and stops it.
        "database": {
            "url": f"postgresql:///{_DATABASE}?host={quote(reached['host'], safe='/')}&port={reached['port']}",
            "secrets_directory": str(system / "secrets"),
        },
        "vault": {"key_file": str(system / "secrets" / "wrapping-keys.json")},
        "audit": {"sink_directory": str(system / "audit")},
        "mail": {"host": "127.0.0.1", "port": mail_port},
        "network": {
            "url": network.url,
            "ca_file": str(network.ca),
            "client_certificate_file": str(network.platform),
        },
        "gateway": {
            "port": _free_port(_GATEWAY_PORT),
            "probe_port": _free_port(_GATEWAY_PROBE_PORT),
            # The network knows the platform by this one, also when it delivers messages.
            "certificate_file": str(network.platform),
            "private_key_file": str(network.platform),
            "client_ca_file": str(place.cards.authority),
            "runtime_directory": str(system / "gate"),
        },
        "console": {"runtime_directory": str(system / "run"), "probe_port": _free_port(_PROBE_PORT)},
        "logs": {"directory": str(place.logs), "level": "info"},
    }
    top = {
        "environment": Environment.DEMO.value,
        "external_url": f"https://localhost:{_free_port(_CONSOLE_PORT)}",
    }
    lines = [f"{key} = {_toml(value)}" for key, value in top.items()]
    for section, values in tree.items():
        lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    (place.settings / "demonstration.toml").write_text("\n".join(lines) + "\n", "utf-8")


def _toml(value: object) -> str:
    """Return a text or a number in TOML, whose basic strings are those of JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _free_port(wanted: int) -> int:
    """Return *wanted* if it is free on the loopback, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise OSError("no port is free on 127.0.0.1")
