"""The audit finds what is known, and never passes where nobody has looked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.build import audit
from infra.build.audit import KNOWN_BAD, KNOWN_BAD_NPM, KNOWN_WITHDRAWN, NotCheckedError
from tests.infra.registries import Registries, played

BAD_NPM = "==".join(KNOWN_BAD_NPM)
LOCK: dict[str, Any] = {
    "name": "two",
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"left": "1.0.0", "other": "3.0.0"}},
        "node_modules/left": {"version": "1.0.0", "dependencies": {"right": "2.0.0"}},
        "node_modules/other": {"version": "3.0.0"},
        "node_modules/right": {"version": "2.0.0"},
    },
}


@pytest.fixture
def registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registries]:
    """An index with two packages and all that everybody knows."""
    with played() as them:
        them.packages = {"one==1.0", "two==2.0", KNOWN_BAD, KNOWN_WITHDRAWN}
        them.withdrawn = {KNOWN_WITHDRAWN}
        them.vulnerable = {KNOWN_BAD, BAD_NPM}
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{them.url}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        yield them


def test_what_is_withdrawn_is_found(registries: Registries) -> None:
    """Of the pinned versions, those that their makers have withdrawn are named, with the reason, and no others."""
    registries.withdrawn.add("two==2.0")
    (finding,) = audit.withdrawn(["one==1.0", "two==2.0"]).findings
    assert "two==2.0" in finding
    assert "a mistake" in finding


def test_what_is_vulnerable_is_found(registries: Registries) -> None:
    """Of the pinned versions, those with a vulnerability that OSV knows are named, whatever machine they are for, and
    no others."""
    registries.vulnerable.add("two==2.0")
    report = audit.python(["one==1.0", "two==2.0 ; sys_platform == 'win32'"], registries.url)
    assert report == audit.Report(2, ("two 2.0: OSV-two==2.0 bad",))


def test_what_is_vulnerable_in_npm_is_found(registries: Registries) -> None:
    """Of npm's packages those with a known vulnerability are named, and with them those that need one."""
    registries.vulnerable.add("right==2.0.0")
    report = audit.npm(LOCK, registries.url)
    assert report == audit.Report(3, ("left: high, right", "right: high, bad (about:blank)"))


def test_who_knows_nothing_has_not_looked(registries: Registries) -> None:
    """A source that answers, and does not know what everybody knows, is no source: the audit does not pass."""
    registries.withdrawn.clear()
    registries.vulnerable.clear()
    with pytest.raises(NotCheckedError, match="its answer says nothing"):
        audit.withdrawn(["one==1.0"])
    with pytest.raises(NotCheckedError, match="its answer says nothing"):
        audit.python(["one==1.0"], registries.url)
    with pytest.raises(NotCheckedError, match="its answer says nothing"):
        audit.npm(LOCK, registries.url)


def test_who_does_not_answer_has_not_looked(registries: Registries, capsys: pytest.CaptureFixture[str]) -> None:
    """When nobody answers, each source is told as not checked, with the reason, and the exit code is 2."""
    registries.silent = True
    assert audit.main(["--osv", registries.url, "--npm-registry", registries.url]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2][:11] for line in lines] == ["NOT CHECKED"] * 3
    assert all("could not ask: " in line for line in lines)


@pytest.mark.parametrize(("found", "code"), [((), 0), (("two 2.0: bad",), 1)])
def test_the_exit_code_says_what_is_known(
    found: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If all were asked: 0 when nothing is known, 1 when something is, and then it is shown."""
    monkeypatch.setattr(audit, "withdrawn", lambda _: audit.Report(2, ()))
    monkeypatch.setattr(audit, "python", lambda *_: audit.Report(2, found))
    monkeypatch.setattr(audit, "npm", lambda *_: audit.Report(2, ()))
    assert audit.main([]) == code
    assert ("  two 2.0: bad\n" in capsys.readouterr().out) == bool(found)


def test_who_has_looked_at_fewer_has_not_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer about fewer packages than were asked for is none."""
    bad = {"dependency": {"name": "pip", "version": "21.0"}, "id": "CVE", "summary": "bad"}
    answers = iter(
        {"summary": {"audited_packages": 1}, "vulnerabilities": found, "adverse_statuses": []} for found in ([bad], [])
    )

    def uv(*_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, json.dumps(next(answers)), "")

    monkeypatch.setattr(audit, "_uv", uv)
    with pytest.raises(NotCheckedError, match="1 packages of 2"):
        audit.python(["one==1.0", "two==2.0"])
