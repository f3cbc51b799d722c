"""The Lambda bundles: complete and lean."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.build import bundles
from infra.build.bundles import BundleError, Package, bundle
from infra.functions import ALWAYS

FUNCTIONS: dict[str, Package] = {spec.name: spec.package for spec in ALWAYS}
"""The functions, but for the page's, with the bundle of each."""
WORKER_PACKAGES = {
    "aws_lambda_powertools", "botocore", "jmespath", "python_dateutil", "six", "typing_extensions", "urllib3",
}  # fmt: skip
API_PACKAGES = WORKER_PACKAGES | {
    "annotated_types", "email_validator", "idna", "pydantic", "pydantic_core", "typing_inspection",
}  # fmt: skip
PACKAGES: dict[Package, set[str]] = {
    "api": API_PACKAGES, "docs": {"aws_lambda_powertools", "jmespath", "typing_extensions"}, "workers": WORKER_PACKAGES,
}  # fmt: skip
SIZES: dict[Package, int] = {"api": 40_000_000, "docs": 4_000_000, "workers": 40_000_000}
"""Fewer bytes than these."""
MACHINE_CODE: dict[Package, set[str]] = {"api": {"_pydantic_core"}, "docs": set(), "workers": set()}
"""The extension modules in each bundle."""
GLIBC = (2, 34)
"""The C library of Amazon Linux 2023, on which Lambda's Python 3.13 runs."""
BYTECODE = (3571).to_bytes(2, "little") + b"\r\n"
UNCHECKED = (1).to_bytes(4, "little")
"""The start of a bytecode file: Python 3.13's magic number, and PEP 552's flags for not looking at the source."""
SHARED = ("__init__.py", "entry.py", "erasure.py", "metrics.py", "settings.py", "telemetry.py", "aws", "domain")
"""The parts of the workers in the API's bundle."""

LOAD = """
import gc, importlib, json, sys
sys.path[:] = [sys.argv[1], *sys.path]
collections = []
gc.callbacks.append(lambda *_: collections.append(1))
entry = importlib.import_module(f"{sys.argv[2]}.entry")
collections.clear()
handler = getattr(entry, sys.argv[3])
print(json.dumps([list(sys.modules), collections, gc.isenabled()]))
assert callable(handler)
from workers.aws import clients
clients.dynamodb(), clients.sqs()
if sys.argv[2] == "api":
    import api.registrations.csv, api.users.erasure  # the rare cases
    import pydantic
    class Model(pydantic.BaseModel):
        email: pydantic.EmailStr
    Model(email="ada@example.org")
"""
OPEN = """
import json, os, sys
os.environ["API_URL"] = "https://api.example.org"
sys.path.insert(0, sys.argv[1])
from api.entry import docs
def get(path):
    http = {"method": "GET", "path": path}
    return docs({"rawPath": path, "headers": {}, "requestContext": {"http": http, "requestId": "r"}}, None)
answers = {path: get(path) for path in sys.argv[2:]}
sizes = {path: answer["statusCode"] == 200 and len(answer["body"]) for path, answer in answers.items()}
print(json.dumps([sizes, list(sys.modules)]))
"""
PARTS = ("/docs", *(f"/docs/{name}" for name in ("openapi.json", "start.js", "swagger-ui.css", "swagger-ui.js")))
BODIES = {"users": "user", "events": "event", "registrations": "registration"}
"""The one module of bodies that each function reads."""


def _run(script: str, directory: Path, *arguments: str) -> str:
    """Return the output of a script that has a bundle and the standard library only."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"LANG": "C.UTF-8", "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_loads_what_it_uses(name: str) -> None:
    """With nothing but the bundle and the standard library the handler and all that it may need can be imported. A cold
    start pays for every import, so none is for another function, or for a rare case; and nothing collects garbage."""
    package = FUNCTIONS[name]
    modules, collections, collecting = json.loads(_run(LOAD, bundle(package, "host"), package, name))
    loaded = set(modules)
    assert not loaded & {"asyncio", "boto3", "email_validator", "aws_lambda_powertools.event_handler"}
    assert not loaded & {"api.registrations.csv", "api.users.erasure"}
    bodies = {f"api.models.{body}" for body in BODIES.values()} & loaded
    assert bodies == ({f"api.models.{BODIES[name]}"} if name in BODIES else set())
    assert ("pydantic" in loaded) == (package == "api")
    assert (collections, collecting) == ([], True)


def test_the_page_needs_its_bundle_alone() -> None:
    """With nothing but its bundle and the standard library the reference page and its parts are served, without
    pydantic and the SDK."""
    sizes, modules = json.loads(_run(OPEN, bundle("docs", "host"), *PARTS))
    assert all(sizes[path] > 100 for path in PARTS)
    assert not set(modules) & {"asyncio", "botocore", "pydantic", "aws_lambda_powertools.event_handler"}


def test_the_page_is_in_its_own_bundle_only() -> None:
    """The page's bundle has the files that the page is made of, and no other bundle has any of them."""
    parts = {"openapi.json", "package.json", "page.html", "start.js", "swagger-ui-bundle.js", "swagger-ui.css"}
    docs_host = bundle("docs", "host")
    assert {path.name for path in docs_host.rglob("*") if path.suffix in {".css", ".html", ".js", ".json"}} == parts
    assert (docs_host / "docs" / "openapi.json").read_bytes() == (bundles.ROOT / "docs/openapi.json").read_bytes()
    for package in set(FUNCTIONS.values()):
        assert not {path.name for path in bundle(package, "host").rglob("*")} & parts


@pytest.mark.parametrize("package", PACKAGES)
def test_a_bundle_is_lean(package: Package) -> None:
    """A bundle has its dependencies, without what no function uses, and nothing of the other rooms."""
    directory = bundle(package, "host")
    assert {path.name.split("-")[0] for path in directory.glob("*.dist-info")} == PACKAGES[package]
    assert not any((directory / name).exists() for name in ("infra/build", "tests", "bin", "dns"))
    unused = ("aws_lambda_powertools/event_handler", "aws_lambda_powertools/utilities/parser")
    assert not any((directory / name).exists() for name in unused)
    services = {path.parent.name for path in directory.glob("botocore/data/*/*") if path.is_dir()}
    assert services == (set() if package == "docs" else {"dynamodb", "sqs"})
    assert sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) < SIZES[package]


def test_a_bundle_has_its_own_sources() -> None:
    """The workers' bundle has all of theirs; the API's has its own but for those of the page, and what both share."""
    api_host, workers_host = bundle("api", "host"), bundle("workers", "host")
    assert not (workers_host / "api").exists()
    assert _sources(workers_host / "workers") == _sources(bundles.ROOT / "workers")
    assert _sources(api_host / "workers") == _sources(bundles.ROOT / "workers", *SHARED)
    left_out = {"contract", "reference"}
    run = {path for path in _sources(bundles.ROOT / "api") if path.parts[0] not in left_out}
    assert _sources(api_host / "api") == run


@pytest.mark.parametrize("package", MACHINE_CODE)
def test_machine_code_for_aws(package: Package) -> None:
    """Whatever machine made it, the bundle for AWS has exactly the machine code that is known, for Lambda's processor,
    Python and C library."""
    found = {path: path.read_bytes() for path in bundle(package, "lambda-arm64").rglob("*") if path.is_file()}
    machine_code = {path: content for path, content in found.items() if content.startswith(b"\x7fELF")}
    assert {path.name.split(".")[0] for path in machine_code} == MACHINE_CODE[package]
    assert {path for path in found if ".so" in path.suffixes} == set(machine_code)
    for path, content in machine_code.items():
        assert path.name.endswith((".cpython-313-aarch64-linux-gnu.so", ".abi3.so"))
        # Class, byte order and machine of an ELF header: 64 bits, little-endian, EM_AARCH64.
        assert (content[4], content[5], int.from_bytes(content[18:20], "little")) == (2, 1, 183)
        needed = {(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", content)}
        assert needed
        assert max(needed) <= GLIBC


@pytest.mark.parametrize("package", MACHINE_CODE)
def test_bytecode_for_aws(package: Package) -> None:
    """If the bundle for AWS is compiled, Lambda's Python takes the bytecode as it is."""
    made = bundle(package, "lambda-arm64")
    if bundles.compiler("lambda-arm64") is None:
        pytest.skip("the bundle has no bytecode: no Python of Lambda's version here")
    compiled = list(made.rglob("*.pyc"))
    assert compiled
    for path in compiled:
        assert path.suffixes[-2:] == [".cpython-313", ".pyc"]
        assert path.read_bytes()[:8] == BYTECODE + UNCHECKED


@pytest.fixture
def fresh_search() -> Iterator[None]:
    """The search for a Python to compile with is made anew, and forgotten."""
    bundles.compiler.cache_clear()
    yield
    bundles.compiler.cache_clear()


def test_bundle_for_aws_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_search: None) -> None:
    """Where there is a Python of Lambda's version: every module is, and only for that version."""
    monkeypatch.setattr(bundles, "LAMBDA_PYTHON", "{}.{}".format(*sys.version_info))
    monkeypatch.setattr(bundles, "BUILD", tmp_path)
    made = bundle("workers", "lambda-arm64")
    compiled = {path.parent.parent / f"{path.name.split('.')[0]}.py" for path in made.rglob("*.pyc")}
    assert compiled == set(made.rglob("*.py"))
    assert {path.name.split(".")[1] for path in made.rglob("*.pyc")} == {sys.implementation.cache_tag}
    assert {path.read_bytes()[:8] for path in made.rglob("*.pyc")} == {importlib.util.MAGIC_NUMBER + UNCHECKED}


@pytest.mark.parametrize("status", [0, 127])
def test_the_python_that_compiles_must_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_search: None, status: int
) -> None:
    """A Python on the PATH is used if it runs; a placeholder of a version manager is not."""
    monkeypatch.setattr(bundles, "LAMBDA_PYTHON", "9.9")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bundles.compiler("lambda-arm64") is None
    bundles.compiler.cache_clear()
    python = tmp_path / "python9.9"
    python.write_text(f"#!/bin/sh\nexit {status}\n")
    python.chmod(0o755)
    assert bundles.compiler("lambda-arm64") == (None if status else str(python))
    assert bundles.compiler("host") == sys.executable


def test_a_missing_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without npm's packages there is no bundle of the page, instead of one without Swagger UI."""
    monkeypatch.setattr(bundles, "ROOT", tmp_path)
    with pytest.raises(BundleError, match=r"needs .* is missing; set up with: make setup"):
        bundle("docs", "host")


def test_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that need the same bundle at the same time both get it, and nothing half-made stays behind."""
    monkeypatch.setattr(bundles, "BUILD", tmp_path)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: bundle("workers", "lambda-arm64"), range(2))
    assert first == second
    assert len(list(tmp_path.iterdir())) == 2  # the dependencies, and the bundle


def _sources(directory: Path, *only: str) -> set[Path]:
    found = {path.relative_to(directory) for path in directory.rglob("*.py")}
    return {path for path in found if not only or path.parts[0] in only}
