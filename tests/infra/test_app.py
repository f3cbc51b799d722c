"""The CDK app, run as the CDK's command line runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.bundles import ROOT


def _run(outdir: Path, context: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = kept | {"CDK_OUTDIR": str(outdir), "CDK_CONTEXT_JSON": json.dumps(context), "CDK_VALIDATION": "false"}
    app: str = json.loads((ROOT / "infra/cdk.json").read_text())["app"]
    command = [sys.executable, *app.split()[1:]]
    return subprocess.run(command, cwd=ROOT / "infra", env=environment, capture_output=True, text=True, check=False)


def test_default_stage_is_dev(tmp_path: Path) -> None:
    """Without a word about the stage, and without AWS credentials, the app synthesizes `turnstile-dev`."""
    done = _run(tmp_path, {})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "turnstile-dev.template.json").exists()


def test_unknown_stage(tmp_path: Path) -> None:
    """An unknown stage is refused with one sentence that names the known ones."""
    done = _run(tmp_path, {"stage": "staging"})
    assert done.returncode == 1
    assert done.stderr == "Unknown stage 'staging': use -c stage=local|dev|prod\n"
