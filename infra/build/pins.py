"""Read infra/constraints.txt: the exact version of every Python package and the hashes of its files.

`make lock` writes that file, and everything is installed from it: the virtual environment by the Makefile, the bundles
by `infra.build.bundles`. Run as a program, this module checks that pyproject.toml asks for nothing that is not pinned,
and prints the exact requirements of the extras that are its arguments.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
CONSTRAINTS = ROOT / "infra" / "constraints.txt"
NPM_LOCK = ROOT / "infra" / "package-lock.json"
"""The project's folder, and the files that pin Python and npm packages."""

_HASH = re.compile(r"\s--hash=(\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


class NotPinnedError(Exception):
    """A package has no exact version or no hash; the message is one sentence for the person at the terminal."""


@dataclass(frozen=True)
class Pin:
    """One version of a package. `marker` (PEP 508) tells several pins of one package apart; otherwise it is empty."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]

    @property
    def requirement(self) -> str:
        """Return the requirement for exactly this version."""
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


def read(text: str) -> list[Pin]:
    """Read the pins in the text of a constraints file. Raises NotPinnedError unless each is a version with hashes."""
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    return [_pin(line) for line in lines if line and not line.startswith("#")]


def exact(requirements: Iterable[str], pins: Sequence[Pin]) -> list[str]:
    """Return `requirements` with the versions of `pins`.

    Raises NotPinnedError if one of them is not pinned, or is pinned to a version that does not satisfy it.
    """
    found = []
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        same = [pin for pin in pins if pin.name == name]
        if not same or not all(requirement.specifier.contains(pin.version, prereleases=True) for pin in same):
            raise NotPinnedError(f"{requirement} is not in infra/constraints.txt; pin it with: make lock")
        found += [_exactly(requirement, pin) for pin in same]
    return found


def extras(pyproject: Path) -> dict[str, list[str]]:
    """Return the requirements of each extra in a pyproject.toml, and of the extras of the project that it names."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    asked: dict[str, list[str]] = project["optional-dependencies"]

    def whole(extra: str) -> list[str]:
        found = [Requirement(each) for each in asked[extra]]
        own = [name for each in found if each.name == project["name"] for name in sorted(each.extras)]
        others = [str(each) for each in found if each.name != project["name"]]
        return list(dict.fromkeys([*others, *(each for name in own for each in whole(name))]))

    return {extra: whole(extra) for extra in asked}


def _exactly(requirement: Requirement, pin: Pin) -> str:
    extras_of_it = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    markers = " and ".join(f"({marker})" for marker in (requirement.marker, pin.marker) if marker)
    return f"{pin.name}{extras_of_it}=={pin.version}" + (f" ; {markers}" if markers else "")


def _pin(line: str) -> Pin:
    hashes = _HASH.findall(line)
    try:
        requirement = Requirement(_HASH.sub("", line))
    except InvalidRequirement as error:
        raise NotPinnedError(f"infra/constraints.txt has a line that is no requirement: {line[:80]}") from error
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith("*"):
        raise NotPinnedError(f"{requirement.name} has no exact version in infra/constraints.txt; make lock")
    if not hashes or not all(_SHA256.fullmatch(digest) for digest in hashes):
        raise NotPinnedError(f"{requirement.name} has no hashes in infra/constraints.txt; add them with: make lock")
    marker = str(requirement.marker) if requirement.marker else ""
    return Pin(canonicalize_name(requirement.name), specifiers[0].version, marker, frozenset(hashes))


def main(names: Sequence[str]) -> int:
    """Print the exact requirements of the extras `names`, one per line.

    Check that all extras are pinned first. If not, print one sentence on stderr and return 1.
    """
    try:
        pins = read(CONSTRAINTS.read_text(encoding="utf-8"))
        pinned = {name: exact(asked, pins) for name, asked in extras(ROOT / "pyproject.toml").items()}
    except NotPinnedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{requirement}\n" for name in names for requirement in pinned[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
