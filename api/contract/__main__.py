"""`make openapi`: writes `docs/openapi.json`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from api.contract.document import text

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "openapi.json"
"""The document that is committed."""


def current() -> str:
    """The document of the code as it is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return text(project["version"])


def main() -> int:
    """Writes it."""
    KEPT.write_text(current(), encoding="utf-8")
    print(f"{KEPT.relative_to(ROOT)} is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
