"""``chukan approve`` of a purge that is killed (SIGKILL, by itself) at an exact point; run by the tests.

Arguments: settings (JSON), id of the request, point: before which step of the purge it dies (the number of steps:
before the commit), or ``committed`` for right after the commit.
"""

from __future__ import annotations

import os
import signal
import sys

from chukan.platform.accounts.cli import approve_command
from chukan.platform.settings import Settings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.provisioning import purge
from chukan.tenants.provisioning.service import Provisioner


def die(*_arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


settings, request, point = sys.argv[1:]
if point == "committed":
    # The first thing after the commit.
    setattr(Provisioner, "forget", die)  # noqa: B010 - a method is not assigned to otherwise
else:
    steps = list(purge.STEPS)
    steps.insert(int(point), die)
    purge.STEPS = tuple(steps)
command = approve_command(purge.kinds())
command.main([request], standalone_mode=False, obj=LoadedSettings(Settings.model_validate_json(settings)))
