"""Settings: one typed tree, from files, environment and secret files; wrong ones stop the start."""

from chukan.platform.settings.model import (
    AuditSettings,
    ConsoleSettings,
    DatabaseSettings,
    EmbeddedSettings,
    Environment,
    GatewaySettings,
    LogSettings,
    MailSettings,
    NetworkSettings,
    Settings,
    TenantSessionSettings,
    VaultSettings,
)

__all__ = [
    "AuditSettings",
    "ConsoleSettings",
    "DatabaseSettings",
    "EmbeddedSettings",
    "Environment",
    "GatewaySettings",
    "LogSettings",
    "MailSettings",
    "NetworkSettings",
    "Settings",
    "TenantSessionSettings",
    "VaultSettings",
]
