"""The night batch, retention and uploads as jobs and commands open them."""

from __future__ import annotations

from chukan.platform.clock import SystemClock
from chukan.tenants.limits.budget import RegisteredLimits
from chukan.tenants.middleserver.duplicate_copies.night import Night
from chukan.tenants.middleserver.duplicate_copies.ports import LimitedDay
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.operations.data import shipped_nights
from chukan.tenants.middleserver.operations.retention import Retention
from chukan.tenants.middleserver.operations.service import NightBatch
from chukan.tenants.middleserver.security.masters.in_force import MastersInForce
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk

__all__ = ["MastersInForce", "night_batch", "retention", "uploads"]


def night_batch(desk: TransmissionDesk) -> NightBatch:
    """Return the night batch over an open desk."""
    clock = SystemClock()
    registrar = Night(desk.sessions, desk.vault, MastersInForce(desk.actor.engine), clock)
    return NightBatch(desk.actor, desk.sessions, registrar, clock, shipped_nights())


def retention(desk: TransmissionDesk) -> Retention:
    """Return the retention over an open desk."""
    return Retention(desk.actor, desk.sessions, uploads(desk))


def uploads(desk: TransmissionDesk) -> Uploads:
    """Return the uploads over an open desk, with the limits of the registry."""
    return Uploads(desk.sessions, desk.vault, LimitedDay(RegisteredLimits(desk.actor.engine).standing))
