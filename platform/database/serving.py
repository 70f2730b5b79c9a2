"""A database that is there: the operator's own cluster, or the embedded one for as long as it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.setup import initialise_embedded
from chukan.platform.settings import DatabaseSettings


@contextmanager
def serving(settings: DatabaseSettings) -> Iterator[EmbeddedCluster | None]:
    """Keep a database running during the block; yields the embedded cluster, or None for one of their own.

    The embedded cluster is started, prepared and brought up to date; at the end it is stopped, unless
    another living program owns it. An operator's own cluster has been prepared by ``database init``.
    """
    if settings.url:
        yield None
        return
    cluster = EmbeddedCluster(settings.embedded)
    with cluster.running():
        initialise_embedded(cluster, settings)
        yield cluster
