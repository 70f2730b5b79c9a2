"""Logs: JSON lines of declared fields, separable per organisation, never with a personal value."""

from chukan.platform.logs.configure import configure_logs, get_logger
from chukan.platform.logs.context import bind_log_context

__all__ = ["bind_log_context", "configure_logs", "get_logger"]
