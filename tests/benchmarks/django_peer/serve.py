# mypy: ignore-errors
"""Does with django-tenants what it reads: ``create N``, ``release``, ``migrate``. Run by benchmarks/peer.py.

The first line is the database, as JSON; every command is answered by a line with how many tenants it was about.
"""

import importlib
import json
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

MIGRATIONS = Path(__file__).parent / "facts" / "migrations"
RELEASE = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("facts", {before!r})]
    operations = [
        migrations.AddField("{table}", "note", models.TextField(null=True)),
        migrations.AddIndex("{table}", models.Index(fields=["note"], name="{table}_note_ix")),
    ]
"""


def configure(database: dict[str, str]) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django_tenants.postgresql_backend", **database}},
        DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
        SHARED_APPS=["django_tenants", "django.contrib.contenttypes", "organisations"],
        TENANT_APPS=["facts"],
        INSTALLED_APPS=["django_tenants", "django.contrib.contenttypes", "organisations", "facts"],
        TENANT_MODEL="organisations.Organisation",
        TENANT_DOMAIN_MODEL="organisations.Domain",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate_schemas", shared=True, run_syncdb=True, verbosity=0, interactive=False)


def create(tenants: int) -> int:
    from organisations.models import Organisation

    first = Organisation.objects.count() + 1
    for number in range(first, first + tenants):
        Organisation(schema_name=f"peer_{number}").save(verbosity=0)
    return tenants


def release() -> int:
    """Write the next migration, as a developer would, and bring it to all tenants: tables as in ``fleet.ALIKE``."""
    known = sorted(path.stem for path in MIGRATIONS.glob("0*.py"))
    fives, rest = divmod(len(known) - 1, 3)
    table = f"fact_{5 * fives + rest:02}"
    written = MIGRATIONS / f"{len(known) + 1:04}_release.py"
    written.write_text(RELEASE.format(before=known[-1], table=table))
    importlib.invalidate_caches()
    return migrate()


def migrate() -> int:
    from organisations.models import Organisation

    call_command("migrate_schemas", tenant=True, verbosity=0, interactive=False)
    return Organisation.objects.count()


def main() -> None:
    configure(json.loads(sys.stdin.readline()))
    print(0, flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        done = {"create": create, "release": release, "migrate": migrate}[name](*map(int, arguments))
        print(done, flush=True)


main()
