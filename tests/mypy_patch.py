"""For mypy: a function under fastcore's `@patch` is a method of the class that its first parameter names."""

from mypy.nodes import CallExpr, ClassDef, Decorator, FuncDef, MypyFile, NameExpr, Statement
from mypy.plugin import Plugin
from mypy.types import CallableType, UnboundType

KINDS = {"cls_method": "classmethod", "static_method": "staticmethod", "as_prop": "property"}


def patched(node: Statement) -> str | None:
    "The class that a top-level statement patches, or None."
    if not isinstance(node, Decorator) or not isinstance(node.func.type, CallableType):
        return None
    decorator = node.decorators[0]
    name = decorator.callee if isinstance(decorator, CallExpr) else decorator
    first = node.func.type.arg_types[:1]
    ours = isinstance(name, NameExpr) and name.name == "patch" and first and isinstance(first[0], UnboundType)
    return first[0].name if ours else None


def method(node: Decorator) -> Statement:
    "What would stand in the class's own body."
    decorator, *others = node.decorators
    kind = next(
        (KINDS[n] for n in (decorator.arg_names if isinstance(decorator, CallExpr) else []) if n in KINDS), None
    )
    func: FuncDef = node.func
    if kind is None and not others:
        func.is_decorated = False
        return func
    if kind == "classmethod":
        for kept in (func.type, func.unanalyzed_type):
            if isinstance(kept, CallableType):
                kept.arg_types[0] = UnboundType("type", [kept.arg_types[0]])
    word = NameExpr(kind or "")
    word.set_line(decorator)
    node.decorators = [word, *others] if kind else others
    node.original_decorators = node.decorators.copy()
    return node


class Patches(Plugin):
    "Moves each patch into its class before anything is analysed; line numbers stay."

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        classes = {d.name: d for d in file.defs if isinstance(d, ClassDef)}
        for node in [d for d in file.defs if patched(d) in classes]:
            file.defs.remove(node)
            classes[patched(node)].defs.body.append(method(node))
        return []


def plugin(version: str) -> type[Plugin]:
    "Where mypy begins."
    return Patches
