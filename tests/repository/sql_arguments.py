"""Finds SQL that is put together from strings.

What is handed to the database must be a literal, a composition of ``psycopg.sql``, or a construct of
SQLAlchemy. Names are followed to where they are bound; attributes and results of functions are judged by
their annotations, which the type checker holds their values to. Whatever cannot be followed is refused.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

METHODS = {"execute", "executemany", "exec_driver_sql", "scalar", "scalars", "stream", "stream_scalars"}
#: These turn a string into SQL, so the string itself must stand in the code.
MAKERS = {"text", "literal_column", "DDL", "SQL"}
LIBRARIES = ("sqlalchemy", "psycopg", "alembic")
TYPES = {"SQL", "Composed", "Composable"} | {
    *("Executable", "ClauseElement", "TextClause", "DDL"),
    *("Select", "CompoundSelect", "Insert", "Update", "Delete"),
}
#: Forms that are what their parts are: all of a choice, all items of a container.
PARTS: dict[type[ast.expr], tuple[str, ...]] = {
    ast.IfExp: ("body", "orelse"),
    ast.BoolOp: ("values",),
    **dict.fromkeys((ast.List, ast.Tuple, ast.Set), ("elts",)),
    ast.Dict: ("values",),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp), ("elt",)),
    **dict.fromkeys((ast.DictComp, ast.Subscript, ast.NamedExpr, ast.Starred, ast.Await), ("value",)),
}
TABLE_METHODS = {"select", "insert", "update", "delete"}

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Kind(Enum):
    """What an expression is, as far as the database is concerned."""

    LITERAL = auto()
    CONSTRUCT = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Binding:
    """One way in which a name gets its value; both are None where it cannot be followed."""

    value: ast.expr | None = None
    annotation: ast.expr | None = None
    #: The name is bound to each item of ``value`` in turn.
    each: bool = False


@dataclass
class Scope:
    """A module or a function: the names that it binds, and the scope around it."""

    around: Scope | None = None
    names: dict[str, list[Binding]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Declarations:
    """What the whole product declares: annotations of attributes, results and literal parameters."""

    #: By attribute alone, and by class and attribute.
    attributes: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))
    results: dict[str, list[ast.expr | None]] = field(default_factory=lambda: defaultdict(list))
    #: Position (``self`` not counted) and name of each ``LiteralString`` parameter, by function. mypy takes
    #: that type for any string, so calls of such functions are judged as SQL is.
    literals: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, trees: Iterable[ast.Module]) -> Declarations:
        """Collect the declarations of *trees*."""
        found = cls()
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, ast.ClassDef):
                found._add_class(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.results[node.name].append(node.returns)
                found._add_parameters(node)
        return found

    def _add_class(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                for key in (statement.target.id, f"{node.name}.{statement.target.id}"):
                    self.attributes[key].append(statement.annotation)

    def _add_parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = [each for each in _arguments_of(node.args) if each.arg not in {"self", "cls"}]
        for position, argument in enumerate(arguments):
            if is_literal_string(argument.annotation):
                self.literals[node.name].append((position, argument.arg))


def is_literal_string(annotation: ast.expr | None) -> bool:
    """Return whether *annotation* is ``LiteralString``."""
    return annotation is not None and last_name(annotation) == "LiteralString"


def last_name(node: ast.expr) -> str:
    """Return what stands after the last dot of *node*'s source."""
    return ast.unparse(node).rsplit(".", maxsplit=1)[-1]


def is_sql_type(annotation: ast.expr | None) -> bool:
    """Return whether *annotation* allows SQL types, or containers of them, and no string."""
    if annotation is None:
        return False
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return is_sql_type(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.BinOp):
        return all(is_sql_type(side) or _is_none(side) for side in (annotation.left, annotation.right))
    if isinstance(annotation, ast.Subscript):
        base = last_name(annotation.value)
        items = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        # The last item that is not an ellipsis: the values of a mapping, the items of a sequence.
        inner = [item for item in items if not (isinstance(item, ast.Constant) and item.value is ...)]
        return base in TYPES or (bool(inner) and is_sql_type(inner[-1]))
    return last_name(annotation) in TYPES


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def string_built_sql(tree: ast.Module, declarations: Declarations) -> list[tuple[int, str]]:
    """Return line and source of every argument in *tree* that may be SQL built from strings."""
    return Judge(tree, declarations).refused()


class Judge:
    """Judges the arguments of one module."""

    def __init__(self, tree: ast.Module, declarations: Declarations) -> None:
        self._tree = tree
        self._declarations = declarations
        self._libraries = set(_library_names(tree))
        self._scopes: dict[ast.AST, Scope] = {}
        self._fields: dict[str, list[ast.expr]] = defaultdict(list)
        self._bind(tree, Scope())

    def refused(self) -> list[tuple[int, str]]:
        """Return line and source of each argument that is not known to be safe."""
        return [
            (argument.lineno, ast.unparse(argument))
            for call, argument, allowed in self._arguments()
            if self._kind(argument, self._scopes[call]) not in allowed
        ]

    def _arguments(self) -> Iterator[tuple[ast.Call, ast.expr, set[Kind]]]:
        """Yield each call that takes SQL, its SQL, and what that may be."""
        for call in ast.walk(self._tree):
            if not isinstance(call, ast.Call):
                continue
            name = last_name(call.func)
            for position, parameter in self._declarations.literals.get(name, []):
                if (given := _argument(call, position, {parameter})) is not None:
                    yield call, given, {Kind.LITERAL}
            argument = _argument(call, 0, {"statement", "query", "text", "obj"})
            if argument is None:
                continue
            if name in MAKERS and self._is_from_library(call.func):
                yield call, argument, {Kind.LITERAL} if name == "SQL" else {Kind.LITERAL, Kind.CONSTRUCT}
            elif isinstance(call.func, ast.Attribute) and (name in METHODS or _is_copy(call.func)):
                yield call, argument, {Kind.LITERAL, Kind.CONSTRUCT}

    def _kind(self, node: ast.expr, scope: Scope, seen: frozenset[str] = frozenset()) -> Kind:
        """Return what *node* is; *seen* are the names that were followed to it."""
        match node:
            case ast.Constant(value=str() | bytes()):
                return Kind.LITERAL
            case ast.Name():
                return self._kind_of_name(node.id, scope, seen)
            case ast.Attribute():
                return self._kind_of_attribute(node, scope, seen)
            case ast.Call():
                return self._kind_of_call(node, scope, seen)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                sides = {self._kind(side, scope, seen) for side in (left, right)}
                return Kind.CONSTRUCT if sides == {Kind.CONSTRUCT} else Kind.UNKNOWN
        # A comprehension has a scope of its own.
        return self._common(_parts(node), self._scopes.get(node, scope), seen)

    def _common(self, nodes: list[ast.expr], scope: Scope, seen: frozenset[str]) -> Kind:
        kinds = {self._kind(each, scope, seen) for each in nodes}
        if not kinds or Kind.UNKNOWN in kinds:
            return Kind.UNKNOWN
        return kinds.pop() if len(kinds) == 1 else Kind.LITERAL

    def _container(self, node: ast.expr, scope: Scope, seen: frozenset[str]) -> Kind:
        """Return the kind of the items of *node*; a part of a string is not a literal any more."""
        return Kind.UNKNOWN if isinstance(node, ast.Constant) else self._kind(node, scope, seen)

    def _kind_of_name(self, name: str, scope: Scope, seen: frozenset[str]) -> Kind:
        if name in seen:
            return Kind.CONSTRUCT  # `query = query.where(…)`: decided by its other bindings
        holder: Scope | None = scope
        while holder is not None and name not in holder.names:
            holder = holder.around
        if holder is None:
            return Kind.CONSTRUCT if name in self._libraries else Kind.UNKNOWN
        kinds = {self._kind_of_binding(each, holder, seen | {name}) for each in holder.names[name]}
        if Kind.UNKNOWN in kinds:
            return Kind.UNKNOWN
        return kinds.pop() if len(kinds) == 1 else Kind.LITERAL

    def _kind_of_binding(self, binding: Binding, scope: Scope, seen: frozenset[str]) -> Kind:
        if is_sql_type(binding.annotation):
            return Kind.CONSTRUCT
        if is_literal_string(binding.annotation) and binding.value is None:
            return Kind.LITERAL
        if binding.value is None:
            return Kind.UNKNOWN
        read = self._container if binding.each else self._kind
        return read(binding.value, self._scopes.get(binding.value, scope), seen)

    def _kind_of_attribute(self, node: ast.Attribute, scope: Scope, seen: frozenset[str]) -> Kind:
        annotations = self._annotations(node, scope)
        if annotations and all(is_sql_type(each) for each in annotations):
            return Kind.CONSTRUCT
        if isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr in self._fields:
            kinds = {self._kind(each, self._scopes[each], seen) for each in self._fields[node.attr]}
            return kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN
        return self._kind(node.value, scope, seen) if self._is_from_library(node) else Kind.UNKNOWN

    def _annotations(self, node: ast.Attribute, scope: Scope) -> list[ast.expr]:
        """Return the declarations of an attribute: its class's where that is known, else all of its name."""
        declared = self._declarations.attributes
        if isinstance(node.value, ast.Name):
            bindings = self._bindings(node.value.id, scope)
            classes = {last_name(each.annotation) for each in bindings if each.annotation is not None}
            if len(classes) == 1 and (own := declared.get(f"{classes.pop()}.{node.attr}")):
                return own
        return declared.get(node.attr, [])

    def _bindings(self, name: str, scope: Scope | None) -> list[Binding]:
        """Return the bindings of *name* in the innermost scope that has any."""
        while scope is not None and name not in scope.names:
            scope = scope.around
        return scope.names[name] if scope is not None else []

    def _kind_of_call(self, node: ast.Call, scope: Scope, seen: frozenset[str]) -> Kind:
        if self._is_from_library(node.func):
            return Kind.CONSTRUCT
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in TABLE_METHODS and not node.args:
                return Kind.CONSTRUCT
            if self._kind(node.func.value, scope, seen) is Kind.CONSTRUCT:
                return Kind.CONSTRUCT
        name = last_name(node.func)
        results = self._declarations.results.get(name, [])
        return Kind.CONSTRUCT if results and all(is_sql_type(each) for each in results) else Kind.UNKNOWN

    def _is_from_library(self, node: ast.expr) -> bool:
        """Return whether the chain of attributes and calls in *node* starts at a name of a library."""
        while isinstance(node, ast.Attribute | ast.Call):
            node = node.value if isinstance(node, ast.Attribute) else node.func
        return isinstance(node, ast.Name) and node.id in self._libraries

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        """Note the scope of *node* and of all below it, and the names that they bind."""
        self._scopes[node] = scope
        inner = scope
        if isinstance(node, Function):
            inner = Scope(around=scope)
            for argument in _arguments_of(node.args):
                inner.names[argument.arg].append(Binding(annotation=argument.annotation))
        elif isinstance(node, Comprehension):
            inner = self._scopes[node] = Scope(around=scope)
            for generator in node.generators:
                self._bind_target(generator.target, Binding(value=generator.iter, each=True), inner)
        elif isinstance(node, ast.stmt | ast.NamedExpr | ast.withitem):
            self._bind_statement(node, scope)
        for child in ast.iter_child_nodes(node):
            self._bind(child, inner)

    def _bind_statement(self, node: ast.stmt | ast.NamedExpr | ast.withitem, scope: Scope) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind_target(target, Binding(value=value), scope)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                self._bind_target(target, Binding(value=value, annotation=annotation), scope)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                before = ast.Name(id=name, ctx=ast.Load())
                whole = ast.copy_location(ast.BinOp(left=before, op=op, right=value), node)
                self._bind_target(target, Binding(value=whole), scope)
            case ast.NamedExpr(target=target, value=value):
                self._bind_target(target, Binding(value=value), scope)
            case ast.For(target=target, iter=items) | ast.AsyncFor(target=target, iter=items):
                self._bind_target(target, Binding(value=items, each=True), scope)
            case ast.withitem(optional_vars=ast.expr() as target):
                self._bind_target(target, Binding(), scope)

    def _bind_target(self, target: ast.expr, binding: Binding, scope: Scope) -> None:
        value = binding.value
        if isinstance(target, ast.Name):
            scope.names[target.id].append(binding)
        elif isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
            if value is not None and not binding.each:
                self._fields[target.attr].append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            for index, part in enumerate(target.elts):
                self._bind_target(part, _part(binding, index, len(target.elts)), scope)


def _parts(node: ast.expr) -> list[ast.expr]:
    """Return the expressions that decide what *node* is; none if it is of no known form."""
    found: list[ast.expr] = []
    for name in PARTS.get(type(node), ()):
        value = getattr(node, name)
        found += value if isinstance(value, list) else [value]
    if isinstance(node, ast.Subscript):
        found = [each for each in found if not isinstance(each, ast.Constant)]  # a part of a string
    return found


def _part(binding: Binding, index: int, count: int) -> Binding:
    """Return what the name at *index* of an unpacked tuple is bound to."""
    rows = [binding.value]
    if binding.each:
        rows = list(binding.value.elts) if isinstance(binding.value, ast.Tuple | ast.List) else [None]
    parts = [row.elts[index] for row in rows if isinstance(row, ast.Tuple) and len(row.elts) == count]
    if not parts or len(parts) != len(rows):
        return Binding()
    return Binding(value=ast.Tuple(elts=parts, ctx=ast.Load()), each=True)


def _arguments_of(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (each for each in (arguments.vararg, arguments.kwarg) if each)


def _library_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that *tree* imports from the database libraries."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [(alias.name, alias.asname or alias.name.split(".")[0]) for alias in node.names]
            yield from (name for module, name in modules if module.startswith(LIBRARIES))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(LIBRARIES):
            yield from (alias.asname or alias.name for alias in node.names)


def _argument(call: ast.Call, position: int, names: set[str]) -> ast.expr | None:
    """Return what *call* gives for the parameter at *position* or of one of *names*."""
    if len(call.args) > position:
        return call.args[position]
    return next((word.value for word in call.keywords if word.arg in names), None)


def _is_copy(function: ast.Attribute) -> bool:
    """Return whether *function* is a cursor's ``copy``; dictionaries and shutil have one too."""
    return function.attr == "copy" and "cur" in ast.unparse(function.value).lower()
