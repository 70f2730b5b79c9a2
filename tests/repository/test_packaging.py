"""The wheel and the sdist hold the real files behind the links, and an installed wheel runs by itself."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from repository.tree import AREAS, ROOT, copy_product


@dataclass(frozen=True)
class Built:
    """The two files that a release consists of; the wheel is built from the sdist."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the sdist from a copy of the checkout, and the wheel from that sdist, once."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    copy_product(source)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", output, source)
    return Built(sdist=next(output.glob("*.tar.gz")), wheel=next(output.glob("*.whl")))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into an environment of its own, which borrows our dependencies."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=False)
    python = place / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", built.wheel)
    own = next(place.glob("lib/python*/site-packages"))
    # A path in a .pth file is not searched for .pth files itself, so our own editable install stays outside.
    (own / "borrowed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    return place


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run *command* and return what it printed; a failure shows what it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_behind(folder: Path, package: str) -> Iterator[tuple[str, bytes]]:
    """Yield each file below the real *folder* with the name that it has in the package."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not path.is_symlink() and "__pycache__" not in parts:
            yield "/".join((package, *parts)), path.read_bytes()


def expected() -> dict[str, bytes]:
    """Return every file that a wheel must hold, read from the folders behind the links."""
    files = dict(files_behind(ROOT / "src/chukan", "chukan"))
    for folder in (*AREAS, "config"):
        files.update(files_behind(ROOT / folder, f"chukan/{folder}"))
    files.update(files_behind(ROOT / "tests/simulators", "chukan_simulators"))
    return files


def in_wheel(wheel: Path) -> dict[str, bytes]:
    """Return the files of *wheel* but for its own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def in_sdist(sdist: Path) -> dict[str, bytes]:
    """Return the regular files of *sdist* below ``src``; a link in it would not be among them."""
    with tarfile.open(sdist) as archive:
        return {
            member.name.split("/src/", maxsplit=1)[1]: source.read()
            for member in archive.getmembers()
            if member.isreg() and "/src/" in member.name and ".egg-info/" not in member.name
            if (source := archive.extractfile(member)) is not None
        }


@pytest.mark.parametrize("form", ["wheel", "sdist"])
def test_a_release_holds_exactly_the_real_files(built: Built, form: str) -> None:
    held = in_wheel(built.wheel) if form == "wheel" else in_sdist(built.sdist)
    wanted = expected()
    # If this names a data file, its ending is missing in pyproject.toml's package-data.
    assert sorted(wanted.keys() - held.keys()) == []
    assert sorted(held.keys() - wanted.keys()) == []
    assert [name for name, content in wanted.items() if held[name] != content] == []


def test_the_expected_files_are_those_that_matter() -> None:
    names = expected().keys()
    assert {"chukan/py.typed", "chukan/cli.py", "chukan/platform/clock.py"} <= names
    assert {"chukan/config/messages/ja/platform.po", "chukan_simulators/__init__.py"} <= names
    assert {f"chukan/{area}/component.py" for area in AREAS} <= names


def test_an_installed_wheel_is_imported_from_its_own_place(installed: Path) -> None:
    program = "import chukan.platform.clock as module; print(module.__file__)"
    assert str(installed) in run(installed / "bin/python", "-c", program, cwd=installed)


def test_an_installed_wheel_runs_and_knows_its_version(installed: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert version in run(installed / "bin/chukan", "--version", cwd=installed)


def test_an_installed_wheel_finds_its_configuration(installed: Path) -> None:
    program = (
        "from chukan.platform.messages import text, language\n"
        "with language('ja'):\n"
        "    print(text('Tell the helpdesk the reference id.'))\n"
    )
    answer = run(installed / "bin/python", "-X", "utf8", "-c", program, cwd=installed)
    assert "参照番号" in answer
