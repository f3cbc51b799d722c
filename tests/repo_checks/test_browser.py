"""`make browser`: which Chromium the tests of pages use, and what is printed where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.browser import MISSING, SETTING, chromium, main


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH; the user is root."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def program(path: Path, script: str = "exit 0") -> str:
    """Make a program of this script, and return its path."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def apt(programs: Path, install: str) -> None:
    """Make an apt-get that logs its arguments, and runs `install` when it is told to install."""
    program(programs / "apt-get", f'echo "$*" >> {programs}/log\ncase "$2" in install) {install};; esac')


def test_the_first_that_runs_is_used(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are tried in order; a placeholder that fails is skipped; TURNSTILE_CHROMIUM comes first."""
    program(programs / "chromium", "exit 1")
    assert program(programs / "google-chrome") == chromium()
    assert program(programs / "chromium-browser") == chromium()
    monkeypatch.setenv(SETTING, program(programs / "mine"))
    assert chromium() == str(programs / "mine")


def test_root_on_debian_installs_it(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """apt-get's reason is printed if it fails; once it is installed, nothing more is done."""
    apt(programs, "echo 'E: Unable to locate package chromium' >&2; exit 100")
    assert main() == 1
    assert capsys.readouterr().err == f"{MISSING} apt-get could not: E: Unable to locate package chromium\n"
    path = programs / "chromium"
    apt(programs, f"echo '#!/bin/sh' > {path}; /bin/chmod 755 {path}")
    assert (main(), main()) == (0, 0)
    installs = "-qq install --yes --no-install-recommends chromium"
    assert (programs / "log").read_text().splitlines()[-2:] == ["-qq update", installs]


@pytest.mark.parametrize(("user", "debian", "setting"), [(1000, True, ""), (0, False, ""), (0, True, "/nowhere")])
def test_elsewhere_it_says_what_to_install(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    user: int, debian: bool, setting: str,
) -> None:  # fmt: skip
    """Without root or apt-get, or if the chosen Chromium does not run, nothing is installed, and one line says why."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv(SETTING, setting)
    if debian:
        apt(programs, "exit 0")
    assert main() == 1
    assert SETTING in capsys.readouterr().err
    assert not (programs / "log").exists()
