from chukan.platform.database.check import check_database
from support.database import Database


def test_y(database: Database) -> None:
    database.create_tenant()
    bad = [f for f in check_database(database.settings) if not f.holds]
    for o in bad:
        print(o.name, o.breaking[:3])
    assert not bad
