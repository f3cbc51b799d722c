"""Look for known vulnerabilities and withdrawn versions in everything that is pinned.

There are three sources: the package index for withdrawn (yanked) versions, OSV through `uv audit` for Python packages,
and npm's registry through `npm audit`. Each source must first recognize an old package that is known to be bad; if it
does not, it has not looked. So the audit never passes where it could not check.

Exit codes: 0 no findings, 1 findings, 2 something could not be checked (there may be findings as well).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.build import pins

KNOWN_WITHDRAWN = "attrs==21.1.0"
"""A version that could not be imported. Only looked up, never installed; the same is true of the other two."""
KNOWN_BAD = "pip==21.0"
"""CVE-2021-3572 and later ones."""
KNOWN_BAD_NPM = ("minimist", "0.0.8")
"""CVE-2020-7598 and CVE-2021-44906."""

_UV_AUDIT = ("--no-progress", "--preview-features", "audit-command,json-output", "--output-format", "json")
_PROJECT = """[project]
name = "pinned"
version = "0"
requires-python = ">=3.11"
dependencies = {}

[tool.uv]
package = false
"""


class NotCheckedError(Exception):
    """A source could not be queried. The message is one sentence that says why."""


@dataclass(frozen=True)
class Report:
    """The answer of one source about `count` packages: one sentence for each finding."""

    count: int
    findings: tuple[str, ...]


def withdrawn(requirements: Sequence[str]) -> Report:
    """Return which pinned `requirements` (`name==version`) have been withdrawn, according to the package index.

    Raises NotCheckedError if the index does not answer or does not recognize KNOWN_WITHDRAWN.
    """
    if not _uv_lock([KNOWN_WITHDRAWN]).findings:
        raise NotCheckedError(f"the index does not know that {KNOWN_WITHDRAWN} is withdrawn: its answer says nothing")
    return _uv_lock(requirements)


def python(requirements: Sequence[str], osv: str | None = None) -> Report:
    """Return the vulnerabilities of pinned `requirements` (`name==version`) that OSV, or its mirror at `osv`, knows.

    Raises NotCheckedError if OSV does not answer, does not recognize KNOWN_BAD, or skips a package.
    """
    if not _uv_audit([KNOWN_BAD], osv).findings:
        raise NotCheckedError(f"OSV does not know that {KNOWN_BAD} is vulnerable: its answer says nothing")
    report = _uv_audit(requirements, osv)
    if report.count < len(set(requirements)):
        raise NotCheckedError(f"uv has looked at {report.count} packages of {len(requirements)}")
    return report


def npm(lock: dict[str, Any], registry: str | None = None) -> Report:
    """Return the vulnerabilities in an npm `lock` file that npm's registry, or the one at `registry`, knows.

    Raises NotCheckedError if the registry does not answer or does not recognize KNOWN_BAD_NPM.
    """
    name, version = KNOWN_BAD_NPM
    packages = {"": {"dependencies": {name: version}}, f"node_modules/{name}": {"version": version}}
    if not _npm_audit({"name": "bad", "lockfileVersion": 3, "packages": packages}, registry).findings:
        raise NotCheckedError(
            f"the registry does not know that {name} {version} is vulnerable: its answer says nothing"
        )
    return _npm_audit(lock, registry)


def _uv_lock(requirements: Sequence[str]) -> Report:
    done = _uv("lock", requirements, ["--no-progress"])
    if done.returncode != 0:
        raise NotCheckedError(_last_words("uv lock", done.stderr))
    lines = [line for line in done.stderr.splitlines() if " is yanked" in line]
    return Report(len(requirements), tuple(line.removeprefix("warning: ").replace("`", "") for line in lines))


def _uv_audit(requirements: Sequence[str], osv: str | None) -> Report:
    done = _uv("audit", requirements, [*_UV_AUDIT, *(["--service-url", osv] if osv else [])])
    # 1 means findings. Any other code is a failure, whatever was printed.
    if done.returncode not in {0, 1}:
        raise NotCheckedError(_last_words("uv audit", done.stderr))
    answer = _parse("uv audit", done.stdout)
    bad = [
        f"{each['dependency']['name']} {each['dependency']['version']}: {each['id']} {each['summary'] or ''}".rstrip()
        for each in answer["vulnerabilities"]
    ]
    status = [json.dumps(each) for each in answer["adverse_statuses"]]
    return Report(answer["summary"]["audited_packages"], (*bad, *status))


def _uv(verb: str, requirements: Sequence[str], flags: Sequence[str]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "pyproject.toml").write_text(_PROJECT.format(json.dumps(list(requirements))), encoding="utf-8")
        # Without UV_PYTHON, uv examines every Python on the machine.
        return _run([sys.executable, "-m", "uv", verb, *flags], Path(directory), UV_PYTHON=sys.executable)


def _npm_audit(lock: dict[str, Any], registry: str | None) -> Report:
    root = lock["packages"][""]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "package.json").write_text(json.dumps(root), encoding="utf-8")
        Path(directory, "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        command = [_npm_program(), "audit", "--package-lock-only", "--json", "--audit-level=none"]
        done = _run([*command, *(["--registry", registry] if registry else [])], Path(directory))
    answer = _parse("npm audit", done.stdout)
    if "vulnerabilities" not in answer:
        raise NotCheckedError(_last_words("npm audit", answer.get("message") or done.stderr))
    bad = [f"{name}: {_why(each)}" for name, each in sorted(answer["vulnerabilities"].items())]
    return Report(len(lock["packages"]) - 1, tuple(bad))


def _why(vulnerability: dict[str, Any]) -> str:
    # Either an advisory, or the name of the package that brings the vulnerability along.
    via = (f"{each['title']} ({each['url']})" if isinstance(each, dict) else each for each in vulnerability["via"])
    return f"{vulnerability['severity']}, {', '.join(via)}"


def _npm_program() -> str:
    beside = Path(sys.executable).with_name("npm")
    found = str(beside) if beside.exists() else shutil.which("npm")
    if found is None:
        raise NotCheckedError("npm is missing; set up with: make setup")
    return found


def _run(command: list[str], directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **settings}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def _parse(tool: str, text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotCheckedError(f"{tool} gave no readable answer: {text.strip()[:200] or 'nothing at all'}") from error
    if not isinstance(answer, dict):
        raise NotCheckedError(f"{tool} gave no readable answer: {text[:200]}")
    return answer


def _last_words(tool: str, text: str) -> str:
    decisive = text[max(text.find("error:"), 0) :]
    return f"{tool} could not ask: {' '.join(decisive.split())[-300:] or 'it does not say why'}"


def _print_report(name: str, ask: Callable[[], Report]) -> int:
    try:
        report = ask()
    except (NotCheckedError, pins.NotPinnedError) as error:
        sys.stdout.write(f"{name}: NOT CHECKED. {error}\n")
        return 2
    if report.findings:
        sys.stdout.write(f"{name}: {len(report.findings)} findings in {report.count} packages\n")
        sys.stdout.writelines(f"  {finding}\n" for finding in report.findings)
        return 1
    sys.stdout.write(f"{name}: none of {report.count} packages\n")
    return 0


def _pinned() -> list[str]:
    return [pin.requirement for pin in pins.read(pins.CONSTRAINTS.read_text(encoding="utf-8"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit everything that is pinned, print the findings, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--osv", metavar="URL", help="a mirror of OSV's API")
    parser.add_argument("--npm-registry", metavar="URL", help="a registry that answers npm audit")
    options = parser.parse_args(arguments)
    codes = (
        _print_report("Withdrawn from PyPI", lambda: withdrawn(_pinned())),
        _print_report("Known to OSV", lambda: python(_pinned(), options.osv)),
        _print_report(
            "Known to npm", lambda: npm(json.loads(pins.NPM_LOCK.read_text(encoding="utf-8")), options.npm_registry)
        ),
    )
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
