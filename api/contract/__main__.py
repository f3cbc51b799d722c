"""`make openapi`: write `docs/openapi.json` and `docs/postman_collection.json`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from api.contract import document, postman

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "openapi.json"
COLLECTION = ROOT / "docs" / "postman_collection.json"
"""The committed document and collection."""


def current() -> str:
    """Return the document of the present code."""
    return document.text(_version())


def current_collection() -> str:
    """Return the Postman collection of the present code."""
    return postman.text(document.document(_version()))


def main() -> int:
    """Write both."""
    KEPT.write_text(current(), encoding="utf-8")
    COLLECTION.write_text(current_collection(), encoding="utf-8")
    print(f"{KEPT.relative_to(ROOT)} and {COLLECTION.relative_to(ROOT)} written.")
    return 0


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


if __name__ == "__main__":
    sys.exit(main())
