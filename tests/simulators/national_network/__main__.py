"""``python -m chukan_simulators.national_network --directory DIR``: run until the process is told to end."""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import signal
import sys
import threading
from pathlib import Path

from chukan_simulators.national_network.context import DEFAULTS
from chukan_simulators.national_network.control import control_server
from chukan_simulators.national_network.server import Front
from chukan_simulators.national_network.service import Network

_GARBAGE = 50_000


def main() -> None:
    """Read the arguments, start, print one JSON line, and wait for SIGTERM or SIGINT."""
    arguments = _parser().parse_args()
    config = arguments.config or _shipped_config()
    network = Network(arguments.directory, config, arguments.masters or config / "masters", arguments.platform_host)
    for name in DEFAULTS:
        if (value := getattr(arguments, name)) is not None:
            network.context.set(name, value)
    if arguments.platform_url is not None:
        network.context.store.keep("platform_url", arguments.platform_url.rstrip("/"))
    while len(network.publisher.published()) < arguments.publish and network.publisher.publish():
        pass
    _serve(network, arguments.port, arguments.control_port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chukan_simulators.national_network")
    parser.add_argument(
        "--directory", type=Path, required=True, help="where everything is kept; a restart goes on from it"
    )
    parser.add_argument("--port", type=int, default=0, help="of the network (TLS); 0: a free one")
    parser.add_argument("--control-port", type=int, default=0, help="of the control side; 0: a free one")
    parser.add_argument(
        "--config", type=Path, help="folder with protocols/ and organisations.csv (default: the shipped one)"
    )
    parser.add_argument(
        "--masters", type=Path, help="folder with the data of the masters (default: masters/ in --config)"
    )
    parser.add_argument("--publish", type=int, default=0, help="so many packages are published at least")
    parser.add_argument("--platform-url", help="https://host:port where the platform takes messages")
    parser.add_argument(
        "--platform-host", action="append", default=[], help="a name for the platform's certificate, besides localhost"
    )
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=f"as kept, or {default:g}")
    return parser


def _shipped_config() -> Path:
    """Return the folder of shipped configuration: data beside the product's code, none of which is imported."""
    spec = importlib.util.find_spec("chukan")
    if spec is None or spec.origin is None:
        raise SystemExit("the product is not installed: name the configuration with --config")
    return Path(spec.origin).parent / "config"


def _serve(network: Network, port: int, control_port: int) -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    front = Front(network, port)
    control = control_server(network, front, control_port)
    threading.Thread(target=control.serve_forever, args=(0.05,), daemon=True).start()
    network.deliveries.start()
    ready = {
        "url": f"https://localhost:{front.port}",
        "port": front.port,
        "control": control.server_address[1],
        "ca": str(network.ca),
        "platform": str(network.platform),
        "terminal": str(network.terminal),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    # What is there now stays: looking through it for garbage again and again is for nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    ended.wait()
    front.down()
    control.shutdown()
    network.deliveries.stop()


if __name__ == "__main__":
    main()
