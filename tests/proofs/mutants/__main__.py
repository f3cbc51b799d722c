"""`make mutants`: run mutmut over the core, and ask that every surviving mutant is explained."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from infra.cli.processes import Children, Interrupts
from tests.proofs.mutants.results import Explanation, Mutant, MutationReport, read_explanations, read_mutants
from tests.proofs.mutants.undecorate import without_decorators
from tests.support.command_line import WRONG_USAGE, note, proof_parser, run_proof

ROOT = Path(__file__).resolve().parents[3]
EXPLAINED = Path(__file__).with_name("explained.toml")
BUILD = ROOT / "build/mutants"

_TESTS = ("__init__.py", "conftest.py", "proofs/__init__.py", "proofs/mutants", "support", "unit")
_COPIED = ("pyproject.toml", "workers", *(f"tests/{name}" for name in _TESTS))
_MEMORY_KILOBYTES = 4_000_000
"""Address space of a process: a mutant that collects forever must end before the machine suffers."""

_ENVIRONMENT = {"TURNSTILE_HYPOTHESIS": "30x30", "PYTHONHASHSEED": "0"}
"""The same few histories each time: the findings must not depend on chance, and every mutant runs the tests anew."""

_DESCRIPTION = """\
Change the code in hundreds of small ways with mutmut, one at a time, and run the tests that touch the change.

A mutant that survives means that a test is missing or that the change makes no difference; for the
latter, tests/proofs/mutants/explained.toml says why. [tool.mutmut] in pyproject.toml says what is
mutated and which tests run. All happens in a copy, build/mutants. mutmut's progress goes to stderr,
each survivor and a table to stdout."""

_EPILOG = """\
examples:
  make mutants                                                                  all; some minutes
  .venv/bin/python -m tests.proofs.mutants --only 'workers.domain.waitlist.*'   those of one module

exit codes: 0 enough mutants were killed and every survivor is explained; 1 not so, or an explanation
            fits no survivor, or the tests fail without any mutant; 2 wrong usage; 130 interrupted"""


class MutmutFailed(Exception):
    """mutmut could not make or try the mutants."""


def main(argv: Sequence[str] | None = None) -> int:
    """Try the mutants. Returns the exit code; argparse itself exits with 2 on wrong usage."""
    parser = proof_parser("mutants", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="PATTERN", help="only mutants named like MODULE.x_FUNCTION__mutmut_N"
    )
    parser.add_argument(
        "--explained", type=Path, default=EXPLAINED, metavar="FILE", help="the explanations (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    try:
        explanations = read_explanations(args.explained)
    except (OSError, TypeError, ValueError) as error:
        note(f"mutants: {args.explained}: {error}")
        return WRONG_USAGE
    return run_proof("mutants", lambda: _judge(args, explanations), MutmutFailed)


def _judge(args: argparse.Namespace, explanations: list[Explanation]) -> int:
    mutants = run_mutmut(BUILD, args.only)
    if args.only:
        tried = {mutant.function for mutant in mutants}
        explanations = [explanation for explanation in explanations if explanation.function in tried]
    report = MutationReport(mutants, explanations)
    print(json.dumps(report.as_json()) if args.json else report.as_text())
    for sentence in report.faults:
        note(f"mutants: {sentence}")
    return 1 if report.faults else 0


def run_mutmut(directory: Path, patterns: Sequence[str], root: Path = ROOT) -> list[Mutant]:
    """Copy the project at `root` into `directory`, run mutmut there and return the mutants, in the order of the code.

    `patterns` select mutants by name; all if empty. MutmutFailed if mutmut does not get through.
    """
    shutil.rmtree(directory, ignore_errors=True)
    for name in _COPIED:
        source, target = root / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    patterns_of_files = [str(directory / pattern) for pattern in config["only_mutate"]]
    sources = sorted(directory.glob("workers/**/*.py"))
    files = [path for path in sources if any(fnmatch(str(path), pattern) for pattern in patterns_of_files)]
    for path in files:
        path.write_text(without_decorators(path.read_text(encoding="utf-8")), encoding="utf-8")
    limited = ["sh", "-c", f'ulimit -v {_MEMORY_KILOBYTES} 2>/dev/null; exec "$@"', "sh"]
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    with Interrupts() as interrupts, Children(interrupts) as children, os.fdopen(os.dup(2), "wb") as stderr:
        command = [*limited, mutmut, "run", *patterns]
        code = children.start(command, env=os.environ | _ENVIRONMENT, cwd=directory, output=stderr).wait()
    if code:
        raise MutmutFailed(f"mutmut failed with {code}; its output is above")
    return read_mutants(directory, [path.relative_to(directory) for path in files])


if __name__ == "__main__":
    sys.exit(main())
