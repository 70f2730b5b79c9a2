"""``python -m chukan_simulators.mail_server``: run until the process is told to end."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
import threading

from chukan_simulators.mail_server.control import control_server
from chukan_simulators.mail_server.server import Setup, State, start


def main() -> None:
    """Read the arguments, start both sides, and print ``{"smtp": port, "control": port}``."""
    parser = argparse.ArgumentParser(prog="python -m chukan_simulators.mail_server")
    parser.add_argument("--tls", choices=("none", "starttls", "implicit"), default="none")
    parser.add_argument("--certificate", help="PEM file with the certificate and its private key")
    parser.add_argument("--user", default="", help="who must log in before sending")
    parser.add_argument("--password", default="")
    arguments = parser.parse_args()
    context = None
    if arguments.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate)
    asyncio.run(serve(Setup(arguments.tls, context, arguments.user, arguments.password)))


async def serve(setup: Setup) -> None:
    """Serve both sides until SIGTERM or SIGINT."""
    state, ended = State(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    control = control_server(state)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    smtp = await start(state, setup)
    ports = {"smtp": smtp.sockets[0].getsockname()[1], "control": control.server_address[1]}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await ended.wait()
    smtp.close()
    control.shutdown()


if __name__ == "__main__":
    main()
