"""The copy of the code in which mutmut works, what is done to it first, and what came of each mutant."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

import libcst as cst
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_module_from_key, orig_function_and_class_names_from_key

from infra.cli.processes import Children

ROOT = Path(__file__).resolve().parents[3]
_TESTS = ("__init__.py", "conftest.py", "proofs/__init__.py", "proofs/mutants", "support", "unit")
COPIED = ("pyproject.toml", "workers", *(f"tests/{name}" for name in _TESTS))
MEMORY = 4_000_000
"""Kilobytes of address space for a process: a mutant that collects for ever is ended before the machine suffers."""

# The same histories each time, and few of them: what is found must not depend on chance, and every mutant asks anew.
ENVIRONMENT = {"TURNSTILE_HYPOTHESIS": "30x30", "PYTHONHASHSEED": "0"}
REMEMBERS = ("cache", "lru_cache")
_POLL = 0.5  # seconds


class MutantsError(Exception):
    """The mutants cannot be made or tried; says why."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function, and what the tests made of it: "killed", "timeout", "survived", "no tests", ...

    `function` is its full name. `change` has the lines that it takes away (-) and puts there (+); empty for those that
    the tests noticed.
    """

    name: str
    file: str
    function: str
    status: str
    change: str = ""

    @property
    def noticed(self) -> bool:
        """Whether a test failed, or never ended."""
        return self.status in {"killed", "timeout"}


class Workshop:
    """A directory of its own for mutmut, for one run at a time; whatever was in it is removed."""

    def __init__(self, directory: Path, root: Path = ROOT) -> None:
        self.directory = directory
        self._log = directory / "mutmut.log"
        config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        patterns: list[str] | None = config.get("tool", {}).get("mutmut", {}).get("only_mutate")
        if not patterns:
            raise MutantsError("pyproject.toml does not say what to mutate: only_mutate in [tool.mutmut]")
        self._lock = _locked(directory.with_name(f"{directory.name}.lock"))
        shutil.rmtree(directory, ignore_errors=True)
        for name in COPIED:
            _copy(root / name, directory / name)
        sources = sorted(path.relative_to(directory) for path in directory.glob("workers/**/*.py"))
        self.files = [path for path in sources if any(fnmatch(str(path), pattern) for pattern in patterns)]
        for path in self.files:
            source = directory / path
            source.write_text(without_decorators(source.read_text(encoding="utf-8")), encoding="utf-8")

    def run(self, children: Children, names: Sequence[str], say: Callable[[int, int], None]) -> None:
        """Makes the mutants and tries them; `say` hears again and again how many are done, and of how many.

        `names`: patterns of the mutants to try, all if empty. MutantsError if mutmut fails.
        """
        limited = ["sh", "-c", f'ulimit -v {MEMORY} 2>/dev/null; exec "$@"', "sh"]
        mutmut = Path(sys.executable).with_name("mutmut")
        with self._log.open("wb") as log:
            process = children.start(
                [*limited, str(mutmut), "run", *names], env=os.environ | ENVIRONMENT, cwd=self.directory, output=log
            )
            while process.poll() is None:
                time.sleep(_POLL)
                if (self.directory / "mutants/mutmut-stats.json").exists():
                    codes = [
                        code
                        for data in self._results()
                        for name, code in data.exit_code_by_key.items()
                        if not names or any(fnmatch(name, pattern) for pattern in names)
                    ]
                    say(sum(code is not None for code in codes), len(codes))
        if process.returncode:
            last = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            raise MutantsError(f"mutmut failed with {process.returncode}; the end of {self._log}:\n" + "\n".join(last))

    def mutants(self) -> list[Mutant]:
        """All that were tried, in the order of the code."""
        with chdir(self.directory):  # where mutmut looks for its results
            return [
                _mutant(str(data.path), name, status_by_exit_code[code])
                for data in self._results()
                for name, code in data.exit_code_by_key.items()
                if code is not None
            ]

    def _results(self) -> Iterator[SourceFileMutationData]:
        for path in self.files:
            data = SourceFileMutationData(path=path)
            data.meta_path = self.directory / data.meta_path
            with suppress(json.JSONDecodeError):  # it is being written right now
                data.load()
            yield data


def _locked(path: Path) -> IO[bytes]:
    """A file that one process at a time can hold; free again when it is closed. MutantsError if another one has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise MutantsError(f"another run is at work there (it holds {path})") from error
    return lock


def without_decorators(source: str) -> str:
    """The same module with its decorated functions decorated afterwards: `name = property(name)`.

    mutmut leaves decorated functions alone. A cache goes: it would remember from before the mutation.
    """
    return cst.parse_module(source).visit(_DecorateAfterwards()).code


class _DecorateAfterwards(cst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802 - the name that libcst calls
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        statements: list[cst.BaseStatement] = [updated_node.with_changes(decorators=[])]
        for decorator in reversed(original_node.decorators):
            text = cst.Module([]).code_for_node(decorator.decorator)
            if text.partition("(")[0] not in REMEMBERS:
                name = original_node.name.value
                statements.append(cst.parse_statement(f"{name} = {text}({name})"))
        return cst.FlattenSentinel(statements)


def _mutant(file: str, name: str, status: str) -> Mutant:
    function, class_name = orig_function_and_class_names_from_key(name)
    where = ".".join(part for part in (get_module_from_key(name), class_name, function) if part)
    mutant = Mutant(name, file, where, status)
    if mutant.noticed:
        return mutant
    lines = get_diff_for_mutant(name, path=file).splitlines()[2:]
    change = "\n".join(line for line in lines if line.startswith(("-", "+")))
    return replace(mutant, change=change)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)
