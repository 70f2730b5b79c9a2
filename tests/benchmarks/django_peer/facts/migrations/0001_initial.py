# mypy: ignore-errors
"""The tables of ``benchmarks.fleet.synthetic_script``, as Django makes them."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models.functions import Now


def table(number: int) -> migrations.CreateModel:
    name = f"fact_{number:02}"
    indexes = [models.Index(fields=["person"], name=f"{name}_person_ix")]
    if number % 5 < 3:
        indexes.append(models.Index(fields=["at"], name=f"{name}_at_ix", condition=models.Q(state="open")))
    return migrations.CreateModel(
        name=name,
        fields=[
            ("id", models.UUIDField(primary_key=True, db_default=models.Func(function="uuidv7"))),
            ("person", models.TextField()),
            ("state", models.TextField()),
            ("at", models.DateTimeField(db_default=Now())),
            ("content", models.BinaryField(null=True)),
        ],
        options={"db_table": name, "indexes": indexes},
    )


class Migration(migrations.Migration):
    initial = True
    operations: ClassVar = [table(number) for number in range(25)]
