"""A package index, OSV's API and npm's registry, played on the loopback interface."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import Handler, serving

_TIME = "2026-01-01T00:00:00Z"


@dataclass
class Registries:
    """What they know. A package is `name==version`; with `silent`, they answer nothing but 405."""

    url: str = ""
    packages: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    vulnerable: set[str] = field(default_factory=set)
    silent: bool = False

    def index(self, name: str) -> dict[str, Any]:
        """The simple index's page of a package (PEP 691), with the metadata beside each file (PEP 658)."""
        versions = sorted(package.split("==")[1] for package in self.packages if package.startswith(f"{name}=="))
        return {
            "meta": {"api-version": "1.1"},
            "name": name,
            "files": [
                {
                    "filename": f"{name}-{version}-py3-none-any.whl",
                    "url": f"{self.url}/files/{name}-{version}-py3-none-any.whl",
                    "hashes": {"sha256": "0" * 64},
                    "core-metadata": True,
                    "yanked": "a mistake" if f"{name}=={version}" in self.withdrawn else False,
                }
                for version in versions
            ],
        }

    def osv(self, queries: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer to OSV's /v1/querybatch."""
        asked = [f"{query['package']['name']}=={query['version']}" for query in queries]
        known = [
            {"vulns": [{"id": f"OSV-{each}", "modified": _TIME}]} if each in self.vulnerable else {} for each in asked
        ]
        return {"results": known}

    def npm(self, asked: dict[str, list[str]]) -> dict[str, Any]:
        """The answer to npm's /-/npm/v1/security/advisories/bulk."""
        advisory = {"id": 1, "url": "about:blank", "title": "bad", "severity": "high", "cwe": [], "cvss": {"score": 0}}
        return {
            name: [{**advisory, "vulnerable_versions": version}]
            for name, versions in asked.items()
            for version in versions
            if f"{name}=={version}" in self.vulnerable
        }

    def packument(self, name: str) -> dict[str, Any]:
        """What npm's registry says of a package; npm looks there for who needs a vulnerable one."""
        versions = [each.split("==")[1] for each in self.vulnerable if each.startswith(f"{name}==")]
        return {"name": name, "versions": {each: {"name": name, "version": each, "dist": {}} for each in versions}}


@contextmanager
def played() -> Iterator[Registries]:
    """Play all three at one address, for as long as the block runs."""
    registries = Registries()

    class Playing(Handler):
        def reply(self) -> None:
            if self.command == "GET":
                self._read()
            else:
                self._ask()

        def _read(self) -> None:
            parts = self.path.strip("/").split("/")
            if parts[0] == "simple":
                self._tell(registries.index(parts[1]), "application/vnd.pypi.simple.v1+json")
            elif parts[0] == "files":
                name, version, *_ = parts[1].split("-")
                self._tell(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "text/plain")
            elif parts[0] != "v1":
                self._tell(registries.packument(parts[0]))
            else:
                self._tell({"id": parts[-1], "modified": _TIME, "summary": "bad"})

        def _ask(self) -> None:
            sent = self.content()
            zipped = self.headers.get("content-encoding") == "gzip"
            body = json.loads(gzip.decompress(sent) if zipped else sent)
            self._tell(registries.osv(body["queries"]) if "querybatch" in self.path else registries.npm(body))

        def _tell(self, content: object, kind: str = "application/json") -> None:
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.answer(body, 405 if registries.silent else 200, kind)

    with serving(Playing) as registries.url:
        yield registries
