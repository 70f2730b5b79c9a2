"""The settings tree: every setting with its type, unit, bounds, default and meaning.

Durations and sizes carry their unit in the name. ``docs/settings.md`` lists every leaf (a test keeps
it complete), and the descriptions below are what it and ``chukan config show`` print.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

#: A path that may be left empty; neither TOML nor a variable can say "none" otherwise.
OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]


class Environment(StrEnum):
    """Which kind of installation this is; production refuses what is only good for the others."""

    DEVELOPMENT = "development"
    DEMO = "demo"
    TEST = "test"
    PRODUCTION = "production"


class Section(BaseModel):
    """A part of the tree: unknown keys are errors, and nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbeddedSettings(Section):
    """The PostgreSQL that comes with the program, used when ``database.url`` is empty."""

    directory: Path = Field(default=Path("var/postgresql"), description="Data directory, sockets and server log.")
    port: int = Field(
        default=0, ge=0, le=65535, description="TCP port on 127.0.0.1; 0 listens on the Unix socket only."
    )
    run_as: str = Field(default="nobody", description="System user that runs the server when the program is root.")
    max_connections: int = Field(
        default=1_400,
        ge=20,
        le=5000,
        description="Connection limit of the server: tenant_sessions.max_open for the gateway and for each of four "
        "jobs that a worker runs at the same time, and some under the processes' own log-ins.",
    )
    max_locks_per_transaction: int = Field(
        default=1024,
        ge=64,
        le=65536,
        description="Lock table size; pg_dump of all tenants fails at PostgreSQL's default.",
    )
    shared_buffers_mb: int = Field(default=256, ge=16, le=1_048_576, description="PostgreSQL's shared buffers, in MiB.")


class TenantSessionSettings(Section):
    """The bounds of a process's connections under the tenants' own log-ins."""

    max_open: int = Field(
        default=250,
        ge=1,
        le=2000,
        description="Connections open at once in one process, or in one job of a worker. Where more tenants than this "
        "exchange within max_idle_seconds, connections are opened over and over.",
    )
    max_per_tenant: int = Field(
        default=4, ge=1, le=100, description="Connections of one tenant open at once in one process."
    )
    max_idle_seconds: float = Field(default=300, gt=0, description="An idle connection is closed after this long.")
    max_age_seconds: float = Field(default=3600, gt=0, description="A connection is replaced after this long.")
    max_backend_mb: float = Field(
        default=64,
        gt=0,
        description="A connection whose server process holds more memory than this (MiB) is replaced.",
    )
    max_total_mb: float = Field(
        default=1_024,
        gt=0,
        description="Idle connections are closed until all backends together hold less than this (MiB).",
    )
    wait_seconds: float = Field(default=5, gt=0, le=300, description="How long a caller waits for a connection.")
    max_waiting: int = Field(default=128, ge=0, description="Callers that may wait; one more is refused at once.")
    statement_timeout_ms: int = Field(default=30_000, ge=1, description="Longest statement of a tenant session.")
    lock_timeout_ms: int = Field(default=5_000, ge=1, description="Longest wait for a lock in a tenant session.")
    idle_in_transaction_timeout_ms: int = Field(
        default=60_000, ge=1, description="An open transaction that does nothing for this long is ended."
    )


class DatabaseSettings(Section):
    """Where the database is and how it is reached."""

    url: str = Field(
        default="",
        pattern=r"^(postgres(ql)?://\S*)?$",
        description="postgresql://host:port/database of the operator's own cluster, without a log-in; "
        "empty starts the embedded one.",
    )
    name: str = Field(
        default="chukan",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Database name in the embedded cluster.",
    )
    cluster: str = Field(default="primary", description="Name of this cluster in the tenants' placement.")
    role_prefix: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9_]{0,15})?$",
        description="Put before every role, for two installations on one cluster.",
    )
    secrets_directory: Path = Field(
        default=Path("var/secrets"),
        description="Folder of <process>.password files (mode 0600), one for each log-in it may use.",
    )
    statement_timeout_ms: int = Field(default=30_000, ge=1, description="Longest statement of a process's own session.")
    lock_timeout_ms: int = Field(default=5_000, ge=1, description="Longest wait for a lock in a process's own session.")
    pool_size: int = Field(default=5, ge=1, le=200, description="Connections of a process under its own log-in.")
    embedded: EmbeddedSettings = EmbeddedSettings()
    tenant_sessions: TenantSessionSettings = TenantSessionSettings()


class VaultSettings(Section):
    """Who keeps the wrapping keys, and how long unwrapped keys stay in memory."""

    provider: Literal["file", "pkcs11"] = Field(
        default="file",
        description="pkcs11 for an HSM; file (development only) keeps the wrapping keys in a 0600 file.",
    )
    key_file: Path = Field(
        default=Path("var/secrets/wrapping-keys.json"), description="The file provider's keys, mode 0600."
    )
    pkcs11_module: Path = Field(
        default=Path("/usr/lib/softhsm/libsofthsm2.so"), description="The PKCS#11 library of the HSM."
    )
    pkcs11_token: str = Field(default="chukan", description="Label of the HSM token.")
    pkcs11_pin: SecretStr = Field(
        default=SecretStr(""), description="User PIN of the token; give it by the _FILE form."
    )
    cache_seconds: float = Field(
        default=300,
        gt=0,
        le=300,
        description="How long an unwrapped data key may stay in memory; five minutes at most.",
    )
    wrapping_key_max_age_days: int = Field(
        default=365, ge=1, description="A wrapping key older than this is reported as due for rotation."
    )


class AuditSettings(Section):
    """Sealing of the audit trail, and when its absence stops the exchange."""

    sink_directory: Path = Field(
        default=Path("var/audit"), description="Folder outside the database that keeps every seal."
    )
    seal_every_seconds: float = Field(default=60, gt=0, le=600, description="Pause between two seals.")
    alarm_after_minutes: Annotated[int, Field(ge=1)] = Field(
        default=15, description="Unsealed entries older than this raise the alarm audit-seal-stale."
    )
    stop_after_minutes: Annotated[int, Field(ge=1)] = Field(
        default=240, description="Unsealed entries older than this stop the acceptance of exchanges."
    )


class MailSettings(Section):
    """Where outgoing mail is handed over, in whose name, and how often it is tried."""

    host: str = Field(
        default="", description="SMTP server that takes our mail; while this is empty, mails wait in the outbox."
    )
    port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 with STARTTLS, 465 with implicit TLS.")
    security: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description="How the connection is encrypted; none (development only) sends in the clear.",
    )
    ca_file: OptionalPath = Field(
        default=None, description="Certificates (PEM) that vouch for the server; empty trusts what the system trusts."
    )
    username: str = Field(default="", description="User name at the server; empty logs in nowhere.")
    password: SecretStr = Field(default=SecretStr(""), description="Password at the server; give it by the _FILE form.")
    sender_address: str = Field(
        default="no-reply@chukan.invalid",
        pattern=r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$",
        description="Address that mails are from; its domain also stands in their Message-IDs.",
    )
    sender_name: str = Field(
        default="", pattern=r"^[^\x00-\x1f\x7f]{0,60}$", description="Name that stands before the sender's address."
    )
    bounce_address: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)?$",
        description="Envelope sender, to which undeliverable mails come back; empty takes the sender's address.",
    )
    answer_seconds: float = Field(default=30, gt=0, le=300, description="Longest wait for one answer of the server.")
    send_seconds: float = Field(default=120, gt=0, le=1800, description="Longest time that sending one mail may take.")
    batch_size: int = Field(default=100, ge=1, le=1000, description="Mails that a relay claims at once.")
    max_attempts: int = Field(
        default=16, ge=1, le=100, description="A mail that was put off this many times becomes a dead letter."
    )
    retry_first_seconds: float = Field(
        default=60, gt=0, description="Longest wait before the second attempt; it doubles each time."
    )
    retry_longest_seconds: float = Field(
        default=14_400, gt=0, le=86_400, description="Longest wait between two attempts."
    )
    relay_every_seconds: float = Field(default=5, gt=0, le=600, description="Pause between two looks at the outbox.")
    stale_after_minutes: Annotated[int, Field(ge=1)] = Field(
        default=30, description="Mails that have waited longer than this raise mail-outbox-stale."
    )


class NetworkSettings(Section):
    """The national network: where it is, what is shown to it, and how patiently messages are sent."""

    url: str = Field(
        default="",
        pattern=r"^(https://[^/\s?#]+/?)?$",
        description="https://host:port of the national network; while this is empty, messages wait in the outbox.",
    )
    ca_file: OptionalPath = Field(
        default=None, description="The network's certificate authority (PEM); it vouches for its keys as well."
    )
    client_certificate_file: OptionalPath = Field(
        default=None, description="The platform's certificate (PEM) that the network asks for."
    )
    client_key_file: OptionalPath = Field(
        default=None, description="Its private key (PEM); empty if it stands in the certificate's file."
    )
    connect_seconds: float = Field(default=5, gt=0, le=60, description="Longest wait for a connection.")
    answer_seconds: float = Field(default=30, gt=0, le=300, description="Longest silence of the network.")
    request_seconds: float = Field(default=60, gt=0, le=600, description="Longest time that one request may take.")
    senders: int = Field(default=4, ge=1, le=64, description="Organisations whose messages are sent at once.")
    batch_size: int = Field(
        default=10, ge=1, le=100, description="Messages of one organisation before the next one's turn."
    )
    max_attempts: int = Field(
        default=24,
        ge=1,
        le=1000,
        description="A message without a receipt after so many attempts becomes a dead letter.",
    )
    retry_first_seconds: float = Field(
        default=2, gt=0, description="Longest wait before the second attempt; it doubles each time."
    )
    retry_longest_seconds: float = Field(
        default=3600, gt=0, le=86_400, description="Longest wait between two attempts."
    )
    relay_every_seconds: float = Field(default=5, gt=0, le=600, description="Pause between two looks at what is due.")
    masters_every_minutes: int = Field(
        default=60, ge=1, le=1440, description="Pause between two looks for new masters."
    )
    stale_after_minutes: Annotated[int, Field(ge=1)] = Field(
        default=15, description="Messages that have waited longer than this raise exchange-oldest-unsent."
    )


class ConsoleSettings(Section):
    """The operators' console and the front that terminates TLS for it."""

    bind: str = Field(default="127.0.0.1", description="Address on which the front listens for the operators.")
    certificate_file: OptionalPath = Field(
        default=None,
        description="Certificate chain (PEM) of the console's host; empty lets the front make one of its own.",
    )
    private_key_file: OptionalPath = Field(default=None, description="The certificate's private key (PEM).")
    runtime_directory: Path = Field(
        default=Path("var/run/console"), description="Folder of the console's sockets and of the front's state."
    )
    threads: int = Field(default=8, ge=1, le=64, description="Requests that the console answers at once.")
    probe_port: int = Field(
        default=9108, ge=1, le=65535, description="Port on 127.0.0.1 for /healthz, /readyz and /metrics."
    )
    probe_seconds: float = Field(
        default=5, gt=0, le=60, description="How long the answer of the checks stands before they are asked again."
    )


class GatewaySettings(Section):
    """The way in for the organisations' systems and the national network, and its front with client certificates."""

    host: str = Field(
        default="localhost",
        pattern=r"^[A-Za-z0-9]+([.-]+[A-Za-z0-9]+)*$",
        description="Host name under which systems connect; a name, not an address.",
    )
    port: int = Field(default=8444, ge=1, le=65535, description="Port on which the front listens for systems.")
    bind: str = Field(default="127.0.0.1", description="Address on which the front listens for systems.")
    certificate_file: OptionalPath = Field(default=None, description="Certificate chain (PEM) of the gateway's host.")
    private_key_file: OptionalPath = Field(default=None, description="The certificate's private key (PEM).")
    client_ca_file: OptionalPath = Field(
        default=None, description="The authority (PEM) that vouches for the systems' client certificates."
    )
    runtime_directory: Path = Field(
        default=Path("var/run/gateway"), description="Folder of the gateway's sockets and of the front's state."
    )
    threads: int = Field(default=16, ge=1, le=128, description="Requests that the gateway answers at once.")
    probe_port: int = Field(
        default=9111, ge=1, le=65535, description="Port on 127.0.0.1 for the gateway's /healthz, /readyz and /metrics."
    )
    answers_kept_hours: int = Field(
        default=72, ge=1, le=720, description="How long the answer to a request is kept under its idempotency key."
    )
    inquiry_wait_seconds: int = Field(
        default=10, ge=0, le=30, description="How long a system waits for the result of a single inquiry."
    )


class LogSettings(Section):
    """JSON logs: where they go and how long they are kept."""

    directory: OptionalPath = Field(
        default=None, description="Folder of the log files; empty writes to standard error."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is written."
    )
    retention_days: int = Field(
        default=1096, ge=1, description="Log files older than this are deleted (three years and a leap day)."
    )


class Settings(Section):
    """The whole tree."""

    environment: Environment = Field(default=Environment.DEVELOPMENT, description="Which kind of installation this is.")
    debug: bool = Field(default=False, description="Verbose failures for developers; refused in production.")
    external_url: str = Field(
        default="",
        description="The address under which people reach the console, https://…; required in production.",
    )
    database: DatabaseSettings = DatabaseSettings()
    vault: VaultSettings = VaultSettings()
    audit: AuditSettings = AuditSettings()
    mail: MailSettings = MailSettings()
    network: NetworkSettings = NetworkSettings()
    console: ConsoleSettings = ConsoleSettings()
    gateway: GatewaySettings = GatewaySettings()
    logs: LogSettings = LogSettings()
