"""Failures of releases, each with what to do about it."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class RevisionUnknown(ChukanError):
    """A tenant's schema stands at a revision that this program does not know, or cannot go to."""

    code = "releases.revision_unknown"
    failure = Failure.CONFLICT
    message = mark("The tenants' schemas have no revision {revision} that can be reached.")
    hint = mark("Install the release that made it; `chukan releases list` shows what this one knows.")


class SchemasFailed(ChukanError):
    """Some schemas could not be brought to the release; the others are there."""

    code = "releases.schemas_failed"
    failure = Failure.CONFLICT
    message = mark("{count} schemas could not be brought to revision {revision}.")
    hint = mark("`chukan releases status` names them; mend the cause and run the same command again.")
