"""The audit finds what is known, and never passes where a source has not looked."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.build import audit
from infra.build.audit import KNOWN_BAD, KNOWN_BAD_NPM, KNOWN_WITHDRAWN, NotCheckedError
from tests.support.http_server import Handler, serving

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
ADVISORY = {"id": 1, "url": "about:blank", "title": "bad", "severity": "high", "cwe": [], "cvss": {"score": 0}}
MODIFIED = "2026-01-01T00:00:00Z"


@dataclass
class Registries:
    """A package index, OSV's API and npm's registry at one address. A package is `name==version`."""

    url: str = ""
    packages: set[str] = field(default_factory=lambda: {"one==1.0", "two==2.0", KNOWN_BAD, KNOWN_WITHDRAWN})
    withdrawn: set[str] = field(default_factory=lambda: {KNOWN_WITHDRAWN})
    vulnerable: set[str] = field(default_factory=lambda: {KNOWN_BAD, BAD_NPM})
    silent: bool = False

    def reply(self, path: str, sent: Any) -> object:
        """Return what one of them answers: an object, or the text of a file."""
        match path.strip("/").split("/"):
            case ["simple", name]:  # PEP 691, with the metadata beside each file (PEP 658)
                return {"meta": {"api-version": "1.1"}, "name": name, "files": [*map(self._file, self._of(name))]}
            case ["files", file]:
                name, version, *_ = file.split("-")
                return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            case ["v1", "querybatch"]:
                asked = [f"{query['package']['name']}=={query['version']}" for query in sent["queries"]]
                found = [[{"id": f"OSV-{each}", "modified": MODIFIED}] * (each in self.vulnerable) for each in asked]
                return {"results": [{"vulns": each} if each else {} for each in found]}
            case ["v1", "vulns", name]:
                return {"id": name, "modified": MODIFIED, "summary": "bad"}
            case [*_, "advisories", "bulk"]:
                bad = [(name, number) for name, numbers in sent.items() for number in numbers]
                bad = [(name, number) for name, number in bad if f"{name}=={number}" in self.vulnerable]
                return {name: [{**ADVISORY, "vulnerable_versions": number}] for name, number in bad}
            case [name]:  # npm looks here for the packages that need a vulnerable one
                numbers = [each.split("==")[1] for each in self.vulnerable if each.startswith(f"{name}==")]
                return {
                    "name": name,
                    "versions": {each: {"name": name, "version": each, "dist": {}} for each in numbers},
                }
        raise AssertionError(path)

    def _of(self, name: str) -> list[str]:
        return sorted(package for package in self.packages if package.startswith(f"{name}=="))

    def _file(self, package: str) -> dict[str, Any]:
        name = f"{package.replace('==', '-')}-py3-none-any.whl"
        yanked = "a mistake" if package in self.withdrawn else False
        address = {"filename": name, "url": f"{self.url}/files/{name}", "hashes": {"sha256": "0" * 64}}
        return address | {"core-metadata": True, "yanked": yanked}


@pytest.fixture
def registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registries]:
    """The three, with two packages and those that the audit expects them to know."""
    them = Registries()

    class RegistryHandler(Handler):
        def reply(self) -> None:
            sent = self.content()
            zipped = self.headers.get("content-encoding") == "gzip"
            reply = them.reply(self.path, json.loads(gzip.decompress(sent) if zipped else sent or "null"))
            body = reply if isinstance(reply, str) else json.dumps(reply)
            kind = "application/vnd.pypi.simple.v1+json" if "/simple/" in self.path else "application/json"
            self.answer(body.encode(), 405 if them.silent else 200, kind)

    with serving(RegistryHandler) as them.url:
        settings = {
            "UV_DEFAULT_INDEX": f"{them.url}/simple",
            "UV_CACHE_DIR": str(tmp_path / "uv"),
            "UV_NO_CONFIG": "1",
            "UV_HTTP_RETRIES": "0",
            "npm_config_cache": str(tmp_path / "npm"),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield them


def test_what_is_withdrawn_is_found(registries: Registries) -> None:
    """Of the pinned versions, those that their makers have withdrawn are named, with the reason, and no others."""
    registries.withdrawn.add("two==2.0")
    (finding,) = audit.withdrawn(["one==1.0", "two==2.0"]).findings
    assert "two==2.0" in finding
    assert "a mistake" in finding


def test_what_is_vulnerable_is_found(registries: Registries) -> None:
    """Of the pinned versions, those with a vulnerability that OSV knows are named, for every machine, and no others."""
    registries.vulnerable.add("two==2.0")
    report = audit.python(["one==1.0", "two==2.0 ; sys_platform == 'win32'"], registries.url)
    assert report == audit.Report(2, ("two 2.0: OSV-two==2.0 bad",))


def test_what_is_vulnerable_in_npm_is_found(registries: Registries) -> None:
    """Of npm's packages those with a known vulnerability are named, and with them those that need one."""
    registries.vulnerable.add("right==2.0.0")
    report = audit.npm(LOCK, registries.url)
    assert report == audit.Report(3, ("left: high, right", "right: high, bad (about:blank)"))


def test_a_source_that_knows_nothing_has_not_looked(registries: Registries) -> None:
    """A source that answers, and does not know its well-known bad package, is no source: the audit does not pass."""
    registries.withdrawn.clear()
    registries.vulnerable.clear()
    asked: tuple[Callable[[], object], ...] = (
        lambda: audit.withdrawn(["one==1.0"]),
        lambda: audit.python(["one==1.0"], registries.url),
        lambda: audit.npm(LOCK, registries.url),
    )
    for ask in asked:
        with pytest.raises(NotCheckedError, match="its answer says nothing"):
            ask()


def test_a_source_that_does_not_answer_has_not_looked(
    registries: Registries, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each silent source is reported as not checked, with the reason, and the exit code is 2."""
    registries.silent = True
    assert audit.main(["--osv", registries.url, "--npm-registry", registries.url]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2][:11] for line in lines] == ["NOT CHECKED"] * 3
    assert all("could not ask: " in line for line in lines)


@pytest.mark.parametrize(("found", "code"), [((), 0), (("two 2.0: bad",), 1)])
def test_the_exit_code_says_what_is_known(
    found: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If every source was asked: 0 when nothing is known, 1 when something is, and then it is shown."""
    for source in ("withdrawn", "python", "npm"):
        report = audit.Report(2, found if source == "python" else ())
        monkeypatch.setattr(audit, source, lambda *_, report=report: report)
    assert audit.main([]) == code
    assert ("  two 2.0: bad\n" in capsys.readouterr().out) == bool(found)


def test_an_answer_about_fewer_packages_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that looked at fewer packages than it was asked for has not looked."""
    bad = {"dependency": {"name": "pip", "version": "21.0"}, "id": "CVE", "summary": "bad"}
    answers = iter(
        {"summary": {"audited_packages": 1}, "vulnerabilities": found, "adverse_statuses": []} for found in ([bad], [])
    )

    def uv(*_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, json.dumps(next(answers)), "")

    monkeypatch.setattr(audit, "_uv", uv)
    with pytest.raises(NotCheckedError, match="1 packages of 2"):
        audit.python(["one==1.0", "two==2.0"])
