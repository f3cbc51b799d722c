"""`make browser`: which Chromium the tests of pages take, and what is said where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.browser import MISSING, SETTING, NoBrowser, chromium, main


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(SETTING, raising=False)
    return tmp_path


def program(path: Path, script: str = "exit 0") -> str:
    """A program that does what the script says."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def apt(programs: Path, install: str) -> None:
    """An apt-get that notes what it is asked for, and does `install` when it is to install something."""
    log = programs / "log"
    program(programs / "apt-get", f'echo "$*" >> {log}\ncase "$2" in install) {install};; esac')


def test_the_first_that_runs_is_taken(programs: Path) -> None:
    """The names are tried in their order; a placeholder that only says where to get a browser is passed over."""
    program(programs / "chromium", "exit 1")
    chrome = program(programs / "google-chrome")
    assert chromium() == chrome
    other = program(programs / "chromium-browser")
    assert chromium() == other
    assert main() == 0


def test_the_one_that_is_named_is_taken(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """TURNSTILE_CHROMIUM comes first; if it does not run, that is said, and nothing is installed in its place."""
    program(programs / "chromium")
    apt(programs, "exit 0")
    mine = program(programs / "mine")
    monkeypatch.setenv(SETTING, mine)
    assert chromium() == mine
    monkeypatch.setenv(SETTING, f"{mine}-not")
    assert main() == 1
    assert capsys.readouterr().err == f"{SETTING} is {mine}-not, which does not run.\n"
    assert not (programs / "log").exists()


def test_debian_installs_it(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root on Debian it is installed: the package of that name, without what it recommends, from fresh lists."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    path = programs / "chromium"
    apt(programs, f"echo '#!/bin/sh' > {path}; /bin/chmod 755 {path}")
    assert main() == 0
    assert (programs / "log").read_text().splitlines() == [
        "-qq update",
        "-qq install --yes --no-install-recommends chromium",
    ]
    assert main() == 0
    assert len((programs / "log").read_text().splitlines()) == 2


def test_a_failed_installation_is_explained(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If apt-get fails or installs nothing that runs, one line says what to do, with apt-get's reason if it has one."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    apt(programs, "echo 'W: old lists' >&2; echo 'E: Unable to locate package chromium' >&2; exit 100")
    assert main() == 1
    assert capsys.readouterr().err == f"{MISSING} apt-get could not: E: Unable to locate package chromium\n"
    apt(programs, "exit 0")
    assert main() == 1
    assert capsys.readouterr().err == f"{MISSING}\n"


@pytest.mark.parametrize(("user", "debian"), [(1000, True), (0, False)])
def test_elsewhere_it_says_what_to_install(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], user: int, debian: bool
) -> None:
    """Without root or apt-get nothing is tried; one line says what to install or which variable to set."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if debian:
        apt(programs, "exit 0")
    assert main() == 1
    assert capsys.readouterr().err == f"{MISSING}\n"
    assert not (programs / "log").exists()
    with pytest.raises(NoBrowser, match=SETTING):
        chromium()
