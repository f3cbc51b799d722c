"""Prepares code for mutmut, which leaves decorated functions alone (those with one static or class method excepted)."""

from __future__ import annotations

import libcst as cst

_CACHES = ("cache", "lru_cache")
"""These are dropped: a cache would remember results from before the mutation."""


def without_decorators(source: str) -> str:
    """Return the module with its functions decorated by assignment: `name = property(name)`."""
    return cst.parse_module(source).visit(_DecorateByAssignment()).code


class _DecorateByAssignment(cst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802 - libcst calls this name
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        statements: list[cst.BaseStatement] = [updated_node.with_changes(decorators=[])]
        for decorator in reversed(original_node.decorators):
            text = cst.Module([]).code_for_node(decorator.decorator)
            if text.partition("(")[0] not in _CACHES:
                name = original_node.name.value
                statements.append(cst.parse_statement(f"{name} = {text}({name})"))
        return cst.FlattenSentinel(statements)
