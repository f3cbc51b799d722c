"""The `turnstile` command line: run the stack locally, and operate deployments.

`main` finds the commands in `commands`, one module each. The code of a larger command is in a package of its own:
`dlq`, `local` (up, down), `preflight`, `reconcile`, `top`, `trace`, `verify`. The other modules here are shared.
"""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKOUT = (REPOSITORY / "pyproject.toml").is_file()
"""The project's folder, and whether it is one: a package that was installed elsewhere has only the modules."""
