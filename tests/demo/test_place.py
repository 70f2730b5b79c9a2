"""The demonstration's folder: whose it is, what a killed run left in it, and that nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chukan.demo import place as module
from chukan.demo.errors import DemonstrationRuns, FolderOfOthers, FolderUnusable
from chukan.demo.place import Place, held, reset, stop_server
from chukan.platform.database.embedded import EmbeddedCluster

PREPARES = """
import sys
from pathlib import Path
from chukan.demo.place import held
with held(Path(sys.argv[1])) as place:
    place.prepare()
"""
HOLDS = """
import sys, time
from pathlib import Path
from chukan.demo.place import held
with held(Path(sys.argv[1])) as place:
    print("held", flush=True)
    time.sleep(100)
"""


def serves(place: Place) -> bool:
    """Start the prepared server, and stop it."""
    cluster = EmbeddedCluster(place.embedded)
    cluster.start()
    try:
        return cluster.is_running()
    finally:
        stop_server(cluster)


def test_a_folder_is_prepared_once_and_reset_leaves_nothing(folder: Path) -> None:
    with held(folder) as place:
        place.prepare()
        assert (place.embedded.directory / "data" / "PG_VERSION").is_file()
        made = (place.embedded.directory / "superuser.password").read_text()
        place.prepare()
        assert (place.embedded.directory / "superuser.password").read_text() == made
        assert serves(place)
        assert EmbeddedCluster(place.embedded).server_pid() is None
    assert reset(folder) is True
    assert not folder.exists()
    assert reset(folder) is False


def test_a_run_that_is_killed_while_the_server_is_initialised_is_begun_anew(folder: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PREPARES, str(folder)])
    while not list(folder.glob("system-*/postgresql/data/PG_VERSION")):
        assert process.poll() is None
        threading.Event().wait(0.005)
    process.kill()
    process.wait()
    assert not (folder / "system").exists()
    with held(folder) as place:
        place.prepare()
        assert serves(place)


#: Only root's folders can be closed to the server's user: else that is ourselves.
UNUSABLE = [*(["deep"] if os.geteuid() == 0 else []), "d" * 90]


@pytest.mark.parametrize("name", UNUSABLE, ids=lambda name: f"{len(name)} characters")
def test_a_folder_that_the_server_cannot_use_leads_to_one_that_it_can(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(module, "_ELSEWHERE", folder.parent)
    closed = tmp_path / name
    closed.mkdir(mode=0o700)
    with held(closed / "demo") as place:
        place.prepare()
        assert place.system.parent == folder.parent
        assert (closed / "demo" / "system").is_symlink()
        assert serves(place)
        target = place.system
    reset(closed / "demo")
    assert not target.exists()
    assert not (closed / "demo").exists()


def test_what_a_dangling_link_led_to_is_made_anew(folder: Path) -> None:
    with held(folder) as place:
        (folder / "system").symlink_to(folder.parent / "gone")
        place.prepare()
        assert not (folder / "system").is_symlink()
        assert (place.embedded.directory / "data" / "PG_VERSION").is_file()


def test_a_link_that_leads_out_of_the_demonstration_is_not_followed_by_reset(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with held(folder):
        (folder / "system").symlink_to(tmp_path)
    reset(folder)
    assert (tmp_path / "precious").read_text() == "mine"
    assert not folder.exists()


def test_a_folder_of_somebody_else_is_refused_and_not_reset(folder: Path) -> None:
    folder.mkdir()
    (folder / "letters.txt").write_text("mine")
    with pytest.raises(FolderOfOthers), held(folder):
        pass
    assert reset(folder) is False
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]


def test_what_others_put_beside_the_demonstration_outlives_a_reset(folder: Path) -> None:
    with held(folder):
        (folder / "letters.txt").write_text("mine")
    reset(folder)
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]


def test_a_file_is_no_folder(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(FolderUnusable), held(folder):
        pass
    folder.unlink()


def test_one_folder_is_had_by_one_run_and_reset_ends_it(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(DemonstrationRuns), held(folder):
            pass
        assert reset(folder) is True
        assert process.wait(timeout=30) == -signal.SIGTERM
    assert not folder.exists()
