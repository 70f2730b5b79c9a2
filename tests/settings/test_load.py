"""Loading: which layer wins, where a value came from, and that everything wrong is told at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.messages import language
from chukan.platform.settings import Environment, Settings
from chukan.platform.settings.errors import Problem, SettingsInvalid
from chukan.platform.settings.leaves import Kind, leaves, sections, value_of
from chukan.platform.settings.load import LoadedSettings, load
from chukan.platform.settings.sources import OriginKind, line_of

PRIVATE = "s3cret-and-never-printed"


pytestmark = pytest.mark.usefixtures("english")


def loaded(folder: Path, variables: Mapping[str, str] | None = None, **files: str) -> LoadedSettings:
    """Load from *folder* alone, with *files* (name without suffix) as the operator's own."""
    own = folder / "own"
    own.mkdir(exist_ok=True)
    for name, content in files.items():
        (own / f"{name}.toml").write_text(content)
    return load(variables={"CHUKAN_CONFIG_DIRECTORY": "own", **(variables or {})}, working_directory=folder)


def problems(folder: Path, variables: Mapping[str, str] | None = None, **files: str) -> tuple[Problem, ...]:
    with pytest.raises(SettingsInvalid) as raised:
        loaded(folder, variables, **files)
    return raised.value.problems


def secret_file(folder: Path, content: str = PRIVATE, mode: int = 0o600) -> Path:
    path = folder / "pin"
    path.write_text(content)
    path.chmod(mode)
    return path


# Which layer wins


def test_each_layer_wins_over_the_one_before(tmp_path: Path) -> None:
    key, variable = "logs.level", "CHUKAN_LOGS__LEVEL"
    level_file = tmp_path / "level"
    level_file.write_text("error\n")
    plain = load(variables={}, working_directory=tmp_path, environment="test")
    assert (plain.settings.logs.level, plain.origin(key).kind) == ("info", OriginKind.DEFAULT)

    shipped = load(variables={}, working_directory=tmp_path)
    assert (shipped.settings.logs.level, shipped.origin(key).kind) == ("debug", OriginKind.FILE)

    own = loaded(tmp_path, a='[logs]\nlevel = "info"', b='[logs]\nlevel = "warning"')
    assert (own.settings.logs.level, own.origin(key).where(key)) == ("warning", f"{tmp_path}/own/b.toml:2")

    by_variable = loaded(tmp_path, {variable: "info"})
    assert (by_variable.settings.logs.level, by_variable.origin(key).where(key)) == ("info", variable)

    by_file = loaded(tmp_path, {variable: "info", f"{variable}_FILE": "level"})
    assert (by_file.settings.logs.level, by_file.origin(key).kind) == ("error", OriginKind.SECRET_FILE)


def test_the_argument_wins_over_the_variable_and_that_over_a_file(tmp_path: Path) -> None:
    variables = {"CHUKAN_CONFIG_DIRECTORY": str(tmp_path)}
    (tmp_path / "site.toml").write_text('environment = "demo"')
    assert load(variables=variables).settings.environment is Environment.DEMO
    variables["CHUKAN_ENVIRONMENT"] = "test"
    assert load(variables=variables).settings.environment is Environment.TEST
    assert load(variables=variables, environment=Environment.DEVELOPMENT).settings.debug


def test_the_shipped_file_belongs_to_the_environment_that_an_operators_file_names(tmp_path: Path) -> None:
    settings = loaded(tmp_path, site='environment = "test"')
    assert settings.origin("database.embedded.shared_buffers_mb").place == "config/settings/test.toml"
    assert not settings.settings.debug


@pytest.mark.parametrize("environment", list(Environment))
def test_every_shipped_file_is_right_by_itself(environment: Environment, tmp_path: Path) -> None:
    own = {
        "CHUKAN_DATABASE__URL": "postgresql://db.example/chukan?sslmode=verify-full",
        "CHUKAN_EXTERNAL_URL": "https://console.example",
        "CHUKAN_CONSOLE__CERTIFICATE_FILE": "console.crt",
        "CHUKAN_CONSOLE__PRIVATE_KEY_FILE": "console.key",
    }
    settings = load(environment=environment, variables=own, working_directory=tmp_path).settings
    assert settings.environment is environment


def test_a_variable_that_is_not_ours_is_nobodys_business(tmp_path: Path) -> None:
    assert load(variables={"PATH": "/bin", "CHUKANX": "1"}, working_directory=tmp_path).settings.debug


# Paths


def test_relative_paths_start_from_the_home_folder_else_from_the_current_one(tmp_path: Path) -> None:
    here = load(variables={}, working_directory=tmp_path).settings
    assert here.database.embedded.directory == tmp_path / "var/postgresql"
    home = load(variables={"CHUKAN_HOME": "/srv/chukan", "CHUKAN_LOGS__DIRECTORY": "log"}).settings
    assert home.logs.directory == Path("/srv/chukan/log")
    assert home.vault.pkcs11_module == Path("/usr/lib/softhsm/libsofthsm2.so")


def test_every_path_is_absolute_once_loaded(tmp_path: Path) -> None:
    settings = load(variables={}, working_directory=tmp_path).settings
    paths = [value_of(settings, key) for key, leaf in leaves().items() if leaf.kind is Kind.PATH]
    assert len(paths) >= 6
    assert all(path is None or path.is_absolute() for path in paths)


def test_an_empty_path_that_may_be_empty_is_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"CHUKAN_LOGS__DIRECTORY": ""}).settings.logs.directory is None
    assert loaded(tmp_path, site='[logs]\ndirectory = ""').settings.logs.directory is None


# Secrets


def test_a_secret_file_gives_its_content_without_one_line_break(tmp_path: Path) -> None:
    path = secret_file(tmp_path, f"{PRIVATE}\n\n")
    settings = loaded(tmp_path, {"CHUKAN_VAULT__PKCS11_PIN_FILE": str(path)}).settings
    assert settings.vault.pkcs11_pin.get_secret_value() == f"{PRIVATE}\n"
    assert PRIVATE not in repr(settings)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_secret_file_that_others_can_read_or_write_is_refused(mode: int, tmp_path: Path) -> None:
    path = secret_file(tmp_path, mode=mode)
    (problem,) = problems(tmp_path, {"CHUKAN_VAULT__PKCS11_PIN_FILE": str(path)})
    assert problem.key == "vault.pkcs11_pin"
    assert problem.found == f"mode {mode:04o}"


def test_a_file_of_the_operators_with_a_secret_must_be_closed_to_others(tmp_path: Path) -> None:
    content = f'[vault]\npkcs11_pin = "{PRIVATE}"'
    (problem,) = problems(tmp_path, site=content)
    assert "mode 0644" in problem.found
    (tmp_path / "own/site.toml").chmod(0o640)
    settings = load(variables={"CHUKAN_CONFIG_DIRECTORY": "own"}, working_directory=tmp_path).settings
    assert settings.vault.pkcs11_pin.get_secret_value() == PRIVATE


def test_a_file_for_a_leaf_that_is_no_secret_may_be_open(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("https://console.example\n")
    path.chmod(0o644)
    settings = loaded(tmp_path, {"CHUKAN_EXTERNAL_URL_FILE": str(path)}).settings
    assert settings.external_url == "https://console.example"


def test_a_leaf_whose_name_ends_in_file_is_not_taken_for_the_file_form(tmp_path: Path) -> None:
    settings = loaded(tmp_path, {"CHUKAN_VAULT__KEY_FILE": "/run/keys.json"})
    assert settings.settings.vault.key_file == Path("/run/keys.json")
    assert settings.origin("vault.key_file").kind is OriginKind.VARIABLE


def test_no_error_holds_the_value_of_a_secret_or_of_an_unknown_key(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        {"CHUKAN_VAULT__PKCS11_PN": PRIVATE, "CHUKAN_VAULT__PKCS11_PIN__X": PRIVATE},
        a=f'[vault]\npkcs11_pin = ["{PRIVATE}"]\npkcs11_pim = "{PRIVATE}"\n[vault.pkcs11_token]\nx = "{PRIVATE}"',
        b=f'[database]\nurl = "mysql://chukan:{PRIVATE}@db.example/chukan"\nport = "{PRIVATE}"\nembedded = "{PRIVATE}"',
        c=f'vault = "{PRIVATE}"',
    )
    assert len(found) >= 9
    assert PRIVATE not in repr(found)


def test_the_log_in_in_an_address_is_not_shown(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"CHUKAN_DATABASE__URL": f"mysql://chukan:{PRIVATE}@db.example/chukan"})
    assert problem.found == "mysql://********@db.example/chukan"


# What is wrong


def test_everything_wrong_is_told_at_once_with_place_key_expectation_and_finding(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        {"CHUKAN_DATABASE__POOL_SIZE": "many", "CHUKAN_DATABSE__URL": "x"},
        a='[database]\n\npool_size = 0\n[vault]\nprovider = "paper"\nprovidr = "file"',
        b="debug = ",
    )
    own = f"{tmp_path}/own"
    assert [(each.where, each.key, each.expected, each.found) for each in found] == [
        (f"{own}/a.toml:6", "vault.providr", "a known setting; perhaps vault.provider", "no such setting"),
        (f"{own}/a.toml:3", "database.pool_size", "a whole number ≥ 1, ≤ 200", "0"),
        (f"{own}/a.toml:5", "vault.provider", "one of these: file, pkcs11", "paper"),
        (f"{own}/b.toml", "", "TOML", "Invalid value (at end of document)"),
        ("CHUKAN_DATABSE__URL", "", "a known setting; perhaps CHUKAN_DATABASE__URL", "no such setting"),
        ("CHUKAN_DATABASE__POOL_SIZE", "database.pool_size", "a whole number ≥ 1, ≤ 200", "many"),
    ]


def test_a_wrong_value_is_told_even_if_a_later_layer_replaces_it(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"CHUKAN_DATABASE__POOL_SIZE": "7"}, site="[database]\npool_size = 0")
    assert problem.key == "database.pool_size"


def test_what_production_refuses_is_told_together_with_what_is_wrong(tmp_path: Path) -> None:
    found = problems(tmp_path, {"CHUKAN_ENVIRONMENT": "production", "CHUKAN_DATABASE__POOL_SIZE": "0"})
    expected = ["database.pool_size", "external_url", "database.url", "console.certificate_file"]
    assert [problem.key for problem in found] == expected


def test_a_syntax_error_is_told_with_line_and_column(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, site="debug = true\n[logs\n")
    assert problem.where.endswith("own/site.toml:2")
    assert "at line 2, column 6" in problem.found


def test_a_section_given_as_a_value_and_a_value_given_as_a_section_are_told(tmp_path: Path) -> None:
    found = problems(tmp_path, a="database = 5", b="[logs.level]\nall = 1")
    assert [(each.key, each.expected) for each in found] == [
        ("database", "a section: [database]"),
        ("logs.level", "one of these: debug, info, warning, error"),
    ]


def test_an_unknown_environment_is_told_once_and_loads_no_file(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"CHUKAN_ENVIRONMENT": "../../etc/passwd"})
    assert (problem.where, problem.key) == ("CHUKAN_ENVIRONMENT", "environment")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        load(variables={"CHUKAN_CONFIG_DIRECTORY": "nowhere"}, working_directory=tmp_path)
    (problem,) = raised.value.problems
    assert (problem.where, problem.found) == ("CHUKAN_CONFIG_DIRECTORY", "No such file or directory")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/bytes.toml").write_bytes(b"debug = '\xff'")
    (tmp_path / "own/folder.toml").mkdir()
    found = problems(tmp_path, {"CHUKAN_EXTERNAL_URL_FILE": "gone"})
    assert [problem.found for problem in found] == [
        "bytes that are not UTF-8",
        "Is a directory",
        "No such file or directory",
    ]


def test_problems_are_told_in_japanese_too(tmp_path: Path) -> None:
    with language("ja"):
        (problem,) = problems(tmp_path, {"CHUKAN_DEBUG": "perhaps"})
    assert problem.expected == "true または false"


def test_machines_get_the_list(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        loaded(tmp_path, {"CHUKAN_DEBUG": "perhaps"})
    told = raised.value.as_json()
    assert told["problems"] == [
        {"where": "CHUKAN_DEBUG", "key": "debug", "expected": "true or false", "found": "perhaps"}
    ]
    assert raised.value.exit_code == os.EX_CONFIG
    assert "CHUKAN_DEBUG | debug | true or false | perhaps" in raised.value.told()


# The tree and its lines


def test_sections_are_what_holds_leaves() -> None:
    database = {"database", "database.embedded", "database.tenant_sessions"}
    assert sections() == {*database, "vault", "audit", "mail", "logs", "console", "gateway", "network"}


def test_every_leaf_has_a_meaning_and_its_default_passes_through_its_variable(tmp_path: Path) -> None:
    variables = {}
    for leaf in leaves().values():
        assert leaf.meaning.endswith(".")
        plain = leaf.default.get_secret_value() if leaf.secret else leaf.default
        variables[leaf.variable] = "" if plain is None else str(plain)
    given_by_variables = load(variables=variables, working_directory=tmp_path)
    assert (
        given_by_variables.settings
        == load(variables={}, working_directory=tmp_path, shipped=_empty_files(tmp_path)).settings
    )


def _empty_files(folder: Path) -> Path:
    for environment in Environment:
        (folder / f"{environment}.toml").touch()
    return folder


@given(st.sampled_from([key for key, leaf in leaves().items() if leaf.kind is Kind.WHOLE_NUMBER]), st.integers())
def test_a_number_is_taken_exactly_within_its_bounds(key: str, number: int) -> None:
    leaf = leaves()[key]
    bounds = [(bound[0], int(bound[2:])) for bound in leaf.bounds]
    allowed = all(number >= limit if sign == "≥" else number <= limit for sign, limit in bounds)
    variables = {leaf.variable: str(number)}
    if allowed:
        assert value_of(load(variables=variables).settings, key) == number
        return
    with pytest.raises(SettingsInvalid) as raised:
        load(variables=variables)
    assert [problem.key for problem in raised.value.problems] == [key]


@pytest.mark.parametrize(
    ("document", "key", "line"),
    [
        ("a = 1\nb = 2", "b", 2),
        ("# b = 1\n\nb = 2", "b", 3),
        ('text = """\nb = 1\n"""\nb = 2', "b", 4),
        ("a = [\n 1,\n]\nb = 2", "b", 4),
        ("a = [\n 1,\n]\nb = 2", "a", 1),
        ('[s]\na = 1\n[t]\n"b" = 2', "t.b", 4),
        ("s.b = 1", "s.b", 1),
        ("s = { a = 1, b = 2 }", "s.b", 1),
        ("a = 1", "b", None),
        ("a = 1\nb = ", "a", 1),
        ("a = 1\r\nb = 2\r\n", "b", 2),
    ],
)
def test_the_line_of_a_key_is_where_its_statement_begins(document: str, key: str, line: int | None) -> None:
    assert line_of(document, key) == line


def test_settings_cannot_be_changed_after_loading(tmp_path: Path) -> None:
    settings = load(variables={}, working_directory=tmp_path).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.debug = False
    assert isinstance(settings, Settings)
