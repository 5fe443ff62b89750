"""The settings of beekit's models, read from their source: importing most of them takes seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from beekit.models import settings
from beekit.models.registry import HOMES

_HERE = Path(__file__).parent
_PLAIN: Mapping[str, Any] = {"int": int, "float": float, "str": str, "bool": bool}


def declared_settings(name: str) -> dict[str, Any]:
    """The types of a model's settings by name; `Any` where the source says it in other words than a
    name of `beekit.models.settings` or a plain type, or one of them or None.

    Args:
        name: one of `model_names()`.
    """
    found: dict[str, Any] = {}
    for statements in _bodies(_HERE / f"{HOMES[name].replace('.', '/')}.py", name):
        for one in statements:
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                kind, learnt = ast.unparse(one.annotation), "init=False" in ast.unparse(one)
                if not kind.startswith("ClassVar") and not learnt:
                    found[one.target.id] = _type(kind)
    return found


def require_setting(where: str, value: Any, kind: Any) -> None:
    """Refuse a value that the rule of a setting's type refuses; `where` names the setting."""
    if get_origin(kind) is Annotated and value is not None:
        get_args(kind)[1](where, value)


def plain_type(kind: Any) -> Any:
    """The type of a setting without its rule."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _bodies(path: Path, name: str) -> Iterator[list[ast.stmt]]:
    """The bodies of a dataclass and of its bases in beekit, those of the bases first."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = {one.name: one for one in tree.body if isinstance(one, ast.ClassDef)}
    imported = {
        alias.name: _HERE.parent.parent / f"{one.module.replace('.', '/')}.py"
        for one in tree.body
        if isinstance(one, ast.ImportFrom) and (one.module or "").startswith("beekit.models.")
        for alias in one.names
        if one.module
    }
    for base in reversed(classes[name].bases):
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _bodies(path, base.id)
        elif isinstance(base, ast.Name) and base.id in imported:
            yield from _bodies(imported[base.id], base.id)
    if any("dataclass" in ast.unparse(one) for one in classes[name].decorator_list):
        yield classes[name].body


def _type(annotation: str) -> Any:
    name, _, none = annotation.partition(" | ")
    kind = _PLAIN.get(name, getattr(settings, name, Any) if name.isidentifier() else Any)
    if none in ("", "None"):
        return kind if not none or kind is Any else _or_none(kind)
    return Any


def _or_none(kind: Any) -> Any:
    if get_origin(kind) is not Annotated:
        return kind | None
    given, *rules = get_args(kind)
    return Annotated[given | None, *rules]
