"""Every command that asks who acts, with what makes it succeed: the table of ``test_acting.py``.

The rows prepare what their command works on themselves, so that each can be run again and again on one database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import uuid4

from accounts.acts_middleserver import CAMPAIGN, MiddleServer
from accounts.acts_world import DAY, World
from chukan.platform.clock import SystemClock
from chukan.platform.vault.rules import KeyUse
from chukan.tenants.registry.organisations_file import shipped
from support.copies import INFORMATION
from support.gateway import DEPARTMENT, SYSTEM

AFFAIR = "JM01000000121000"
REACH = ("--email", "someone@city.example.lg.jp", "--telephone", "011-000-0000")


@dataclass(frozen=True)
class Row:
    """A command: its words, given the world in which it can succeed; what it records, if anything; for whom it is."""

    words: Callable[[World], Sequence[object]] = lambda _world: ()
    records: str | None = None
    #: It takes a second person, so that the machine is none of the two.
    takes_a_person: bool = False


def _after(prepare: Callable[[World], object], *words: str) -> Callable[[World], Sequence[object]]:
    def arguments(world: World) -> Sequence[object]:
        prepare(world)
        return words

    return arguments


def _add_outage(world: World) -> Sequence[object]:
    start, end = world.night()
    return ("--start", start.isoformat(), "--end", end.isoformat())


def _import(world: World) -> Sequence[object]:
    head_line = shipped().decode().splitlines()[0]
    return (world.path("organisations.csv", f"{head_line}\n{world.line()}\n".encode()),)


def _population(world: World) -> Sequence[object]:
    file = world.path("population.csv", f"code,population\n{world.city()},100\n".encode())
    return (file, "--as-of", "2026-01-01", "--source", "register")


def _bounce(world: World) -> Sequence[object]:
    return (world.path("report", world.report(f"somebody{world.number()}@city.example.lg.jp")),)


def _declare(world: World) -> Sequence[object]:
    city = world.city()
    board = ("--delegate-department", "board_of_education")
    return (city, city, *board, "--by", "delegator", "--since", "2026-04-01")


def _who(world: World) -> Sequence[object]:
    return (world.city(), AFFAIR)


def _old_key(world: World) -> Sequence[object]:
    """Return a wrapping key that wraps nothing; another one has followed it."""
    unused, _current = (world.safe.provider.create(KeyUse.WRAPPING, now=SystemClock().now()) for _ in range(2))
    return (unused,)


def _exempt(world: World) -> Sequence[object]:
    start, end = world.night()
    return (world.city(), "--from", start.date(), "--to", end.date(), "--reason", "test")


def _city(
    prepare: Callable[[MiddleServer], object] = lambda _server: None, *further: str
) -> Callable[[World], Sequence[object]]:
    """Return the words of a command for the hosted city: its code, what *prepare* returns, and *further*."""

    def arguments(world: World) -> Sequence[object]:
        made = prepare(world.server)
        words = made if isinstance(made, tuple) else () if made is None else (made,)
        return (world.server.code, *words, *further)

    return arguments


def _bulk_delete(world: World) -> Sequence[object]:
    version = world.server.old_copies()
    return (world.server.code, "--information", INFORMATION, "--version", version, "--confirm", INFORMATION)


def _request_codes(world: World) -> Sequence[object]:
    return (world.server.code, world.path("numbers", world.server.address().encode()))


def _book(world: World) -> Sequence[object]:
    return (world.server.campaign(), 2, world.server.code, "--night", "2099-06-01", "--records", 10)


def _register(world: World) -> Sequence[object]:
    file = world.path("client.pem", world.server.card().pem)
    return (world.server.code, file, "--department", DEPARTMENT, "--system", SYSTEM, "--allow", "uploads")


ROWS: Mapping[str, Row] = MappingProxyType(
    {
        "audit seal": Row(),
        "audit refill-sink": Row(records="audit:sink:refill"),
        "audit verify": Row(),
        "audit list": Row(),
        "audit export": Row(lambda world: ("platform", "--output", world.path("evidence"))),
        "jobs list": Row(),
        "jobs history": Row(),
        "jobs run": Row(lambda _world: ("audit-seal",), "jobs:run:request"),
        "mail list": Row(),
        "mail retry": Row(lambda world: (world.bounced(),), "mail:outbox:retry"),
        "mail relay": Row(_after(World.queued), "mail:outbox:relay"),
        "mail bounce": Row(_bounce, "mail:report:take"),
        "mail recipients": Row(),
        "mail recipients --lift": Row(lambda world: (world.marked(),), "mail:recipient:lift_mark"),
        "mail test": Row(lambda _world: ("somebody@city.example.lg.jp",), "mail:outbox:test"),
        "organisations add-union": Row(
            lambda world: (
                *(f"架空第{world.number()}組合", "--kana", "かくう", "--kind", "wide_area_union", "--prefecture", "1"),
                *("--member", world.city(), "--member", world.city()),
            ),
            "registry:union:add",
        ),
        "organisations adopt": Row(lambda world: (world.city(), "IF_SKI_10734_S01"), "registry:interface:adopt"),
        "organisations appoint": Row(
            lambda world: (world.contact(world.city()), "system_admin", "--since", "2026-04-01"),
            "registry:role:appoint",
        ),
        "organisations contact add": Row(
            lambda world: (world.city(), "--name", "架空 花子", *REACH), "registry:contact:add"
        ),
        "organisations delegation check": Row(),
        "organisations delegation declare": Row(_declare, "registry:delegation:declare"),
        "organisations delegation end": Row(
            lambda world: (world.declaration(), "--until", "2027-01-01"), "registry:delegation:end"
        ),
        "organisations delegation list": Row(),
        "organisations delegation who": Row(_who),
        "organisations handover open": Row(
            lambda world: (world.duty(), "--on", DAY, "--leaves"), "registry:handover:open"
        ),
        "organisations handover done": Row(
            lambda world: (world.handover(), "system_admin_account"), "registry:handover:finish_task"
        ),
        "organisations handover close-accounts": Row(
            lambda world: (world.handover(),), "registry:handover:close_accounts"
        ),
        "organisations handover cancel": Row(lambda world: (world.handover(),), "registry:handover:cancel"),
        "organisations handover list": Row(),
        "organisations import": Row(_import, "registry:organisation:import"),
        "organisations list": Row(),
        "organisations members": Row(
            lambda world: (world.union(), "--join", world.city(), "--on", "2027-01-01"), "registry:union:change_members"
        ),
        "organisations merge": Row(
            lambda world: (world.city(), "--into", world.city(), "--on", DAY), "registry:organisation:merge"
        ),
        "organisations population": Row(_population, "registry:population:import"),
        "organisations set": Row(lambda world: (world.city(), "--group", "2"), "registry:organisation:change"),
        "organisations show": Row(lambda world: (world.city(),)),
        "organisations split": Row(
            lambda world: (world.city(), "--into", world.city(), "--on", DAY, "--stays"), "registry:organisation:divide"
        ),
        "releases apply": Row(_after(World.old_schema, "--group", "none"), "releases:schema:apply"),
        "releases status": Row(),
        "service-hours outage add": Row(_add_outage, "service_hours:outage:plan"),
        "service-hours outage cancel": Row(lambda world: (world.outage(),), "service_hours:outage:cancel"),
        "service-hours outage list": Row(),
        "vault init": Row(_after(World.without_platform_keys), "vault:data_key:create"),
        "vault status": Row(),
        "vault rotate-wrapping-key": Row(records="vault:provider_key:create"),
        "vault rotate-signing-key": Row(records="vault:provider_key:create"),
        "vault rotate-data-key": Row(lambda world: (world.settled_tenant(),), "vault:data_key:rotate"),
        "vault destroy-wrapping-key": Row(_old_key, "vault:wrapping_key:destroy"),
        "limits exempt": Row(_exempt, "accounts:request:ask", takes_a_person=True),
        "limits exemptions": Row(),
        "masters list": Row(),
        "masters load": Row(
            lambda world: (world.path("package.jws", world.server.lose_package()),), "masters:package:receive"
        ),
        "masters fetch": Row(_after(lambda world: world.server.lose_package()), "masters:package:receive"),
        "masters apply": Row(_city(MiddleServer.withdraw_package), "masters:package:apply"),
        "masters status": Row(),
        "certificates list": Row(_city()),
        "certificates request": Row(
            _city(MiddleServer.activate_pending, "--use", "enc"), "certificates:certificate:request"
        ),
        "certificates activate": Row(_city(MiddleServer.request_key), "certificates:certificate:activate"),
        "certificates retire": Row(_city(MiddleServer.replaced_key), "certificates:certificate:retire"),
        "certificates revoke": Row(
            _city(MiddleServer.request_key, "--reason", "test"), "certificates:certificate:revoke"
        ),
        "transmission status": Row(_city()),
        "transmission retry": Row(_city(MiddleServer.dead_message), "transmission:message:retry"),
        "transmission stop": Row(
            _city(lambda server: server.let_exchange(go_on=True), "--reason", "test"), "transmission:exchange:stop"
        ),
        "transmission resume": Row(
            _city(lambda server: server.let_exchange(go_on=False)), "transmission:exchange:resume"
        ),
        "transmission relay": Row(_after(lambda world: world.server.request_code()), "transmission:message:send"),
        "linkage-codes request": Row(_request_codes, "linkage_codes:code:request"),
        "linkage-codes status": Row(_city()),
        "linkage-codes history": Row(_city(MiddleServer.request_code), "linkage_codes:history:read"),
        "linkage-codes close-case": Row(_city(MiddleServer.case, "--reason", "test"), "linkage_codes:case:close"),
        "linkage-codes swap": Row(
            _city(lambda _server: (uuid4(), uuid4(), "--reason", "test")), "accounts:request:ask", takes_a_person=True
        ),
        "linkage-codes relink": Row(
            _city(lambda _server: uuid4(), "--reason", "test"), "accounts:request:ask", takes_a_person=True
        ),
        "duplicate-copies bulk-delete": Row(_bulk_delete, "duplicate_copies:copies:delete"),
        "inquiries list": Row(_city()),
        "inquiries show": Row(_city(MiddleServer.inquiry)),
        "inquiries cancel": Row(_city(MiddleServer.inquiry), "inquiries:inquiry:cancel"),
        "provisions status": Row(_city()),
        "provisions restrict": Row(_city(lambda _server: None, "--reason", "test"), "provisions:restriction:set"),
        "provisions lift": Row(_city(MiddleServer.restriction), "provisions:restriction:lift"),
        "provisions recipients": Row(
            _city(lambda _server: None, "--information", INFORMATION, "--from", "2026-06-01", "--to", "2026-06-30"),
            "provisions:erroneous:search",
        ),
        "provision-records find": Row(_city(lambda _server: None, "--serial", "0")),
        "provision-records reconcile": Row(_city()),
        "provision-records cases": Row(),
        "provision-records close-case": Row(
            lambda world: (world.server.record_case(), "--reason", "test"), "provision_records:case:close"
        ),
        "night-batch run": Row(_after(lambda world: world.server.upload()), "duplicate_copies:upload:refuse"),
        "night-batch status": Row(),
        "excluded-items load": Row(
            lambda world: (world.server.code, world.path("items.csv", world.server.items())),
            "operations:excluded_items:load",
        ),
        "excluded-items list": Row(_city()),
        "tenant-settings set": Row(
            _city(lambda server: ("operations.error_report_days", 100 + server.number(), "--reason", "test")),
            "operations:setting:change",
        ),
        "tenant-settings show": Row(_city()),
        "campaigns create": Row(
            lambda world: (world.path("campaign.toml", CAMPAIGN.format(f"R{world.number()}").encode()),),
            "campaigns:campaign:create",
        ),
        "campaigns list": Row(),
        "campaigns progress": Row(lambda world: (world.server.campaign(),)),
        "campaigns escalation": Row(lambda world: (world.server.campaign(),)),
        "campaigns delegate": Row(
            lambda world: (world.server.campaign(), world.server.code, 16, "--from", "2099-06-01"),
            "campaigns:campaign:delegate",
        ),
        "campaigns withdraw": Row(lambda world: world.server.delegation(), "campaigns:campaign:withdraw"),
        "campaigns slots": Row(lambda world: (world.server.campaign(),)),
        "campaigns book": Row(_book, "campaigns:slot:book"),
        "campaigns release": Row(lambda world: (world.server.slot(),), "campaigns:slot:release"),
        "connections list": Row(),
        "connections register": Row(_register, "connections:system:register"),
        "connections revoke": Row(
            lambda world: (world.server.system(), "--reason", "test"), "connections:system:revoke"
        ),
    }
)
