"""`make openapi`: write `docs/openapi.json`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from api.contract.document import text

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "openapi.json"
"""The committed document."""


def current() -> str:
    """Return the document of the present code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return text(project["version"])


def main() -> int:
    """Write the document."""
    KEPT.write_text(current(), encoding="utf-8")
    print(f"{KEPT.relative_to(ROOT)} written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
