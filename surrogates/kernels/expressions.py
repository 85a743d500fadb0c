"""Polynomial expressions that differentiate themselves and print themselves as code.

A kernel states one scalar, such as E = sum_t g q_t a_i a_j; its gradient and the directional derivative of that
gradient follow from the graph, so that values, first and second derivatives of a kernel cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Node:
    """A leaf (`name`), or a sum or product of two nodes; equal nodes are one object within a graph."""

    index: int
    op: str
    left: Node | None = None
    right: Node | None = None
    name: str = ""


@dataclass
class Graph:
    """Sums and products over leaves, every expression once. None stands for zero."""

    nodes: dict[tuple[str, int, int, str], Node] = field(default_factory=dict)

    def leaf(self, name: str) -> Node:
        """A variable of the generated code."""
        return self._node("leaf", name=name)

    def add(self, a: Node | None, b: Node | None) -> Node | None:
        """a + b."""
        if a is None or b is None:
            return b if a is None else a
        return self._node("+", a, b)

    def mul(self, a: Node | None, b: Node | None) -> Node | None:
        """a * b."""
        return None if a is None or b is None else self._node("*", a, b)

    def total(self, terms: Iterable[Node | None]) -> Node | None:
        """The sum of all terms, from left to right."""
        result: Node | None = None
        for term in terms:
            result = self.add(result, term)
        return result

    def gradient(self, root: Node | None, leaves: Iterable[Node]) -> dict[Node, Node | None]:
        """d root / d leaf for each leaf; no summand of the root may be a bare leaf."""
        wanted = list(leaves)
        if root is None:
            return dict.fromkeys(wanted)
        summands, rest = [], [root]
        while rest:
            node = rest.pop()
            if node.op == "+":
                rest += [child for child in (node.right, node.left) if child is not None]
            else:
                summands.append(node)
        adjoint: dict[int, Node | None] = {}
        for node in summands:  # products: each passes to one factor what the other one is
            self._pass(adjoint, node, None)
        inner = {n.index: n for summand in summands for child in _children(summand) for n in _below(child)}
        for index in sorted(inner, reverse=True):
            if index in adjoint:
                self._pass(adjoint, inner[index], adjoint[index])
        return {leaf: adjoint.get(leaf.index) for leaf in wanted}

    def tangent(self, root: Node | None, directions: Mapping[Node, Node]) -> Node | None:
        """d root along `directions`, leaf -> its tangent; other leaves stay fixed."""
        if root is None:
            return None
        found: dict[int, Node | None] = {}
        for node in sorted(_below(root), key=lambda n: n.index):
            if node.op == "leaf":
                found[node.index] = directions.get(node)
                continue
            left, right = _children(node)
            dl, dr = found[left.index], found[right.index]
            if node.op == "+":
                found[node.index] = self.add(dl, dr)
            else:
                found[node.index] = self.add(self.mul(dl, right), self.mul(left, dr))
        return found[root.index]

    def _pass(self, adjoint: dict[int, Node | None], node: Node, own: Node | None) -> None:
        """Add to the adjoints of a node's operands; `own` is the node's, None for one."""
        if node.op == "leaf":
            return
        left, right = _children(node)
        for child, other in ((left, right), (right, left)):
            share = own if node.op == "+" else other if own is None else self.mul(own, other)
            adjoint[child.index] = self.add(adjoint.get(child.index), share)

    def _node(self, op: str, left: Node | None = None, right: Node | None = None, name: str = "") -> Node:
        key = (op, -1 if left is None else left.index, -1 if right is None else right.index, name)
        if key not in self.nodes:
            self.nodes[key] = Node(len(self.nodes), op, left, right, name)
        return self.nodes[key]


def statements(results: Mapping[str, Node | None], declare: str) -> list[str]:
    """Code that computes each result: temporaries `declare tN = ...` in order of need, then the results.

    A key such as "x +=" or "x =" says what happens to the value; zero (None) is left out.
    """
    lines: list[str] = []
    uses: dict[int, int] = {}
    printed: dict[int, str] = {}
    roots = {key: node for key, node in results.items() if node is not None}
    for node in roots.values():
        for below in _below(node):
            for child in _children(below):
                uses[child.index] = uses.get(child.index, 0) + 1

    def text(node: Node, outer: bool = False) -> str:
        if node.op == "leaf":
            return node.name
        if node.index in printed:
            return printed[node.index]
        left, right = _children(node)
        inside = f"{text(left)} {node.op} {text(right)}"
        if uses.get(node.index, 0) > 1:
            lines.append(f"{declare} t{node.index} = {inside};")
            printed[node.index] = f"t{node.index}"
            return printed[node.index]
        return inside if outer else f"({inside})"

    for key, node in roots.items():
        value = text(node, outer=True)
        lines.append(f"{key} {value};")
    return lines


def _children(node: Node) -> tuple[Node, ...]:
    return () if node.left is None or node.right is None else (node.left, node.right)


def _below(root: Node) -> list[Node]:
    """The nodes that a node consists of, itself included."""
    seen: dict[int, Node] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node.index not in seen:
            seen[node.index] = node
            stack += _children(node)
    return list(seen.values())
