"""Mistakes that somebody could make in the product, to be switched on one at a time: does the simulator see them?

A mistake replaces some text of a module's source while it is loaded; nothing on the disk changes. The environment
variable VARIABLE names the one to be made, before the product is imported (`tests.proofs.simulation` looks at it).
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

VARIABLE = "TURNSTILE_PLANT"


class Missing(Exception):
    """The product's source has no longer the text that a mistake replaces."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A mistake: what it is, and by module what is written instead of what. `more` is added to the end of a module.

    `first` is the history to start looking at, for a mistake that few histories show: it saves the run of those before.
    """

    what: str
    instead: Mapping[str, tuple[str, str]]
    more: Mapping[str, str] = field(default_factory=dict)
    first: int = 0

    def text(self, module: str, source: str) -> str:
        """The module with the mistake. Missing if there is no such text, or more than one."""
        old, new = self.instead[module]
        if source.count(old) != 1:
            raise Missing(f"{module} has {source.count(old)} times: {old}")
        return source.replace(old, new) + self.more.get(module, "")


def _plants() -> Mapping[str, Plant]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {
        name: Plant(
            plant["what"],
            {change["module"]: (change["old"], change["new"]) for change in plant["changes"]},
            {change["module"]: change["more"] for change in plant["changes"] if "more" in change},
            plant.get("first", 0),
        )
        for name, plant in tomllib.loads(text).items()
    }


PLANTS = _plants()
"""By name, as plants.toml has them."""


def install(name: str) -> None:
    """Makes the mistake in whatever is imported from now on. Missing if its module is loaded already."""
    plant = PLANTS[name]
    if loaded := sorted(plant.instead.keys() & sys.modules.keys()):
        raise Missing(f"{loaded} were imported before the mistake could be made")
    sys.meta_path.insert(0, _Gardener(plant))


class _Gardener(MetaPathFinder):
    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module as it is found, but for its source."""
        if fullname not in self._plant.instead:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._plant)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, plant: Plant) -> None:
        super().__init__(fullname, path)
        self._plant = plant

    def get_code(self, fullname: str) -> CodeType:
        """The module's code, made anew: what is cached on the disk has no mistake."""
        source = Path(self.path).read_text(encoding="utf-8")
        return compile(self._plant.text(fullname, source), self.path, "exec", dont_inherit=True)
