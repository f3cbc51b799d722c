"""Build the Lambda bundles, the code that AWS or the local emulator runs, without Docker.

A bundle is a directory with the project's own packages and their dependencies, nothing else: `workers` for the
functions behind the queue and the stream, `api` for those behind the HTTP API, `docs` for the reference page. Each is
built for one platform: `host` (this machine's Python, for the local stack) or `lambda-arm64`.

There are two steps, each cached under `build/bundles/` in a directory named after the hash of its inputs: the
dependencies (they change rarely and take seconds), then the bundle (dependencies hard-linked, own sources copied). The
same inputs give the same bytes on every machine. Only the versions and hashes in infra/constraints.txt are installed.
"""

from __future__ import annotations

import hashlib
import os
import platform as machine
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from infra.build import pins

Package = Literal["api", "docs", "workers"]
Platform = Literal["host", "lambda-arm64"]

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bundles"
CONSTRAINTS = ROOT / "infra" / "constraints.txt"
LAMBDA_PYTHON = "3.13"
"""The project's folder, the folder of the bundles, the file that pins their packages, and the Python that runs them."""

SOURCES: dict[Package, tuple[str, ...]] = {
    "api": (
        "api",
        "workers/__init__.py",
        "workers/entry.py",
        "workers/erasure.py",
        "workers/settings.py",
        "workers/metrics.py",
        "workers/telemetry.py",
        "workers/aws",
        "workers/domain",
        "docs/errors.md",
    ),
    "docs": (
        "api/__init__.py",
        "api/http/__init__.py",
        "api/http/caller.py",
        "api/http/dispatch.py",
        "api/reference/__init__.py",
        "api/reference/handler.py",
        "api/reference/page.html",
        "api/reference/start.js",
        "api/entry.py",
        "api/http/types.py",
        "api/http/problems.py",
        "api/http/routes.py",
        "docs/openapi.json",
        "infra/node_modules/swagger-ui-dist/package.json",
        "infra/node_modules/swagger-ui-dist/swagger-ui-bundle.js",
        "infra/node_modules/swagger-ui-dist/swagger-ui.css",
        "workers/__init__.py",
        "workers/entry.py",
        "workers/metrics.py",
        "workers/telemetry.py",
        "workers/domain",
    ),
    "workers": ("workers",),
}
"""The project's own files in each bundle. The API shares the domain and the table formats with the workers."""

LEFT_OUT = (Path("api/contract"), Path("api/reference"))
"""Folders that the API's bundle leaves out: the OpenAPI document is generated in advance, and the reference page has a
bundle of its own."""

EXTRAS: dict[Package, str] = {"api": "api", "docs": "docs", "workers": "worker"}
"""The optional dependencies in pyproject.toml that each bundle installs."""

# No function runs command lines, reads type stubs, looks up the domains of e-mail addresses, or calls a service other
# than DynamoDB and SQS. The metadata (`*.dist-info/METADATA`) stays: pydantic asks it for the version of
# email-validator.
UNUSED = (
    ".lock", "bin", "**/__pycache__", "**/*.pyi", "**/tests", "botocore/data/*/*/examples-1.json*",
    "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/uv_cache.json",
    "dns", "dnspython-*", "aws_lambda_powertools/event_handler",
)  # fmt: skip
SERVICES = frozenset({"dynamodb", "sqs"})
UTILITIES = frozenset({"jmespath_utils", "__init__.py"})
"""The utilities of Powertools that its logger uses. The others are most of its size."""


class BundleError(Exception):
    """A bundle could not be built; the message is one sentence for the person at the terminal."""


def bundle(package: Package, platform: Platform) -> Path:
    """Return the directory with all that the functions of `package` need on `platform`; build it if it is missing.

    Safe to call from several processes at once. Raises BundleError when a source is missing or the dependencies cannot
    be installed.
    """
    sources = list(_sources(package))
    dependencies = _dependencies(package, platform)
    digest = _digest(dependencies.name, *(part for path in sources for part in (str(path), (ROOT / path).read_bytes())))

    def fill(directory: Path) -> None:
        shutil.copytree(dependencies, directory, copy_function=os.link, dirs_exist_ok=True)
        for path in sources:
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, directory / path)
        _compile(platform, directory, sorted({path.parts[0] for path in sources}))

    return _once(f"{package}-{platform}-{digest}", fill)


def _dependencies(package: Package, platform: Platform) -> Path:
    requirements = _requirements(package)
    target = _target(platform)
    recipe = (Path(file).read_bytes() for file in (__file__, pins.__file__))
    digest = _digest(*requirements, CONSTRAINTS.read_bytes(), *target, _interpreter(platform), *recipe)

    def fill(directory: Path) -> None:
        _install(package, requirements, [*target, "--target", str(directory)])
        _prune(directory)
        _compile(platform, directory, sorted(path.name for path in directory.iterdir()))

    return _once(f"{package}-{platform}-dependencies-{digest}", fill)


def _requirements(package: Package) -> list[str]:
    return sorted(pins.extras(ROOT / "pyproject.toml")[EXTRAS[package]])


def _target(platform: Platform) -> list[str]:
    if platform == "host":
        return ["--python", sys.executable]
    # Lambda's Python 3.13 runs on Amazon Linux 2023, whose C library is newer than this.
    return ["--python-platform", "aarch64-manylinux_2_28", "--python-version", LAMBDA_PYTHON]


def _interpreter(platform: Platform) -> str:
    if platform == "host":
        abi = sysconfig.get_config_var("SOABI")
        return f"{abi} {machine.python_version()} {machine.system()} {machine.machine()}"
    python = compiler(platform)
    return f"{LAMBDA_PYTHON} {'compiled by ' + _version(python) if python else 'not compiled'}"


@cache
def _version(python: str) -> str:
    command = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@cache
def compiler(platform: Platform) -> str | None:
    """Return the Python that compiles a bundle in advance; None if this machine has none of the required version.

    Lambda cannot keep what it compiles, so a function that is not compiled in advance compiles all its imports at each
    cold start, which then takes more than twice as long.
    """
    if platform == "host" or "{}.{}".format(*sys.version_info) == LAMBDA_PYTHON:
        return sys.executable
    found = shutil.which(f"python{LAMBDA_PYTHON}")
    if found is None:
        return None
    # It may be a version manager's placeholder, which only reports that the version is missing.
    works = subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
    return found if works else None


def _install(package: Package, requirements: list[str], arguments: list[str]) -> None:
    failed = f"The dependencies of the {package} bundle could not be installed"
    try:
        exact = pins.exact(requirements, pins.read(CONSTRAINTS.read_text(encoding="utf-8")))
    except pins.NotPinnedError as error:
        raise BundleError(f"{failed}: {error}") from error
    # Wheels only: building runs unpinned tools. Copies: `_normalize_modes` must not change files in uv's cache.
    verified = ["--require-hashes", "-c", str(CONSTRAINTS), "--only-binary", ":all:", "--link-mode", "copy"]
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", *verified, *arguments, *exact]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BundleError(f"{failed}: {' '.join(done.stderr.split()) or f'uv ended with code {done.returncode}'}")


def _prune(directory: Path) -> None:
    for pattern in UNUSED:
        for path in list(directory.glob(pattern)):
            _remove(path)
    for path in list((directory / "botocore" / "data").glob("*")):
        if path.is_dir() and path.name not in SERVICES:
            _remove(path)
    for path in list((directory / "aws_lambda_powertools" / "utilities").iterdir()):
        if path.name not in UTILITIES:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _compile(platform: Platform, directory: Path, names: list[str]) -> None:
    python = compiler(platform)
    if python is None:
        return
    # A separate process with a fixed hash seed, one file after the other: interned strings and the order of sets affect
    # the bytes. Unchecked, because a zip does not keep the times that Python would compare. Paths are relative to the
    # bundle, so that they do not depend on where it was built.
    options = ["-q", "--invalidation-mode", "unchecked-hash"]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([python, "-m", "compileall", *options, *names], cwd=directory, env=environment, check=True)


def _sources(package: Package) -> Iterator[Path]:
    for name in SOURCES[package]:
        start = ROOT / name
        if not start.exists():
            raise BundleError(f"The {package} bundle needs {name}, which is missing; set up with: make setup")
        if start.is_file():
            yield start.relative_to(ROOT)
        else:
            found = (path.relative_to(ROOT) for path in sorted(start.rglob("*.py")))
            yield from (path for path in found if not any(path.is_relative_to(left) for left in LEFT_OUT))


def _once(name: str, fill: Callable[[Path], None]) -> Path:
    """Return `BUILD / name`. If it is missing, fill a directory beside it and rename it, so that it appears whole."""
    ready = BUILD / name
    if ready.is_dir():
        return ready
    BUILD.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=BUILD))
    try:
        fill(making)
        _normalize_modes(making)
        making.rename(ready)
    except OSError:
        if not ready.is_dir():  # otherwise another process was faster, and its bundle is the same
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return ready


def _normalize_modes(directory: Path) -> None:
    # The upload to AWS contains file modes. They must not depend on the builder's umask: with a strict one, Lambda
    # could not read its own code.
    directory.chmod(0o755)
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16]


def main() -> int:
    """Build all bundles for all platforms. On failure, print one sentence on stderr and return 1."""
    try:
        wanted = [(package, platform) for package in SOURCES for platform in get_args(Platform)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda each: bundle(*each), wanted))
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
