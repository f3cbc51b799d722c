"""On what the benchmark ran: the machine, and the versions of what was measured and of what it was measured with."""

from __future__ import annotations

import os
import platform
import re
import zipfile
from importlib.metadata import version
from pathlib import Path

from tests.support.dynamodb_local import EMULATOR

_PACKAGES = {
    "turnstile": "turnstile",
    "boto3": "boto3",
    "botocore": "botocore",
    "powertools": "aws-lambda-powertools",
    "pydantic": "pydantic",
    "ministack": "ministack",
    "aws-cdk-lib": "aws-cdk-lib",
}
"""What each is called in the report, and as a package."""

_STOLEN = 7
"""The column of /proc/stat (its manual page, proc(5), has them all)."""

_CPU_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_BUILT = "META-INF/maven/com/amazonaws/DynamoDBLocal/pom.properties"
_BUILD = re.compile(r"^version=(\S+)", re.MULTILINE)


def versions() -> dict[str, str]:
    """The versions by name."""
    installed = {name: version(package) for name, package in _PACKAGES.items()}
    return installed | {"python": platform.python_version(), "DynamoDB Local": _dynamodb_local()}


def machine() -> dict[str, str | int | float]:
    """Processors that this process may use, their model, the memory in GiB, the operating system."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "processor": _processor(),
        "memory GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": _system(),
    }


def processor_ticks() -> tuple[int, int]:
    """Since the machine was started: those that its host gave to others, and all. (0, 0) where nobody counts them."""
    statistics = Path("/proc/stat")  # Linux
    if not statistics.is_file():
        return 0, 0
    ticks = [int(word) for word in statistics.read_text(encoding="utf-8").splitlines()[0].split()[1:9]]
    return ticks[_STOLEN], sum(ticks)


def _processor() -> str:
    information = Path("/proc/cpuinfo")  # Linux; the others say it themselves
    found = _CPU_MODEL.search(information.read_text(encoding="utf-8")) if information.is_file() else None
    return found[1] if found else platform.processor() or platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # not Linux
        return platform.platform()
    return f"{name}, {platform.system()} {platform.release()}"


def _dynamodb_local() -> str:
    """As the jar says it of itself."""
    jar = EMULATOR / "DynamoDBLocal.jar"
    if not jar.is_file():
        return "not installed"
    with zipfile.ZipFile(jar) as archive:
        found = _BUILD.search(archive.read(_BUILT).decode())
    return found[1] if found else "unknown"
