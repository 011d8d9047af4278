"""Which classes two neighbouring chords belong to, by forward chaining over an ontology's class definitions.

It is complete for ontologies that define classes by ``and``, ``or`` and ``some`` over a chain of chords, without
negation, which is what those of functional harmony do; it needs no Java and no general reasoner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from mirstore.core.errors import ConfigError


class Rules:
    """What an ontology's axioms let one conclude about a chord and the chord after it.

    Parameters
    ----------
    world : owlready2.World
        That holds an ontology with a property ``hasNext``, and perhaps ``hasPrevious``, between chords.

    Raises
    ------
    ConfigError
        If a class is defined by something else than ``and``, ``or`` and ``some``.
    """

    def __init__(self, world: Any) -> None:
        self.implied: dict[Any, set[Any]] = defaultdict(set)
        self.defined: dict[Any, list[tuple[Any, Any]]] = defaultdict(list)
        for kind in world.classes():
            for above in [*kind.is_a, *kind.equivalent_to]:
                self.implied[kind].update(part for part in _conjuncts(above) if _is_named(part))
            for same in kind.equivalent_to:
                for part in set(_named(same)):
                    self.defined[part].append((kind, same))

    def classes(self, chord: Iterable[Any], following: Iterable[Any]) -> tuple[set[Any], set[Any]]:
        """Return all classes of a chord and of the next one.

        Parameters
        ----------
        chord, following : iterable of owlready2.ThingClass
            What is known of them.
        """
        known: tuple[set[Any], set[Any]] = set(), set()
        waiting = [(0, kind) for kind in chord] + [(1, kind) for kind in following]
        while waiting:
            at, kind = waiting.pop()
            if kind in known[at]:
                continue
            known[at].add(kind)
            waiting += [(at, above) for above in self.implied[kind]]
            for head, definition in self.defined[kind]:
                waiting += [(place, head) for place in (0, 1) if self._holds(definition, place, known)]
        return known

    def _holds(self, expression: Any, at: int, known: tuple[set[Any], set[Any]]) -> bool:
        if _is_named(expression):
            return expression in known[at]
        if hasattr(expression, "Classes"):
            every = all if _is(expression, "And") else any
            return every(self._holds(part, at, known) for part in expression.Classes)
        there = at + self._step(expression.property)
        return there in (0, 1) and there != at and self._holds(expression.value, there, known)

    def _step(self, relation: Any) -> int:
        """Return where a property leads: 1 to the next chord, -1 to the one before, 0 to what is no chord."""
        if _is(relation, "Inverse"):
            return -self._step(relation.property)
        return {"hasNext": 1, "hasPrevious": -1}.get(relation.name, 0)


def _is(construct: Any, kind: str) -> bool:
    return type(construct).__name__ == kind


def _is_named(expression: Any) -> bool:
    return _is(expression, "ThingClass")


def _conjuncts(expression: Any) -> list[Any]:
    return (
        [part for each in expression.Classes for part in _conjuncts(each)] if _is(expression, "And") else [expression]
    )


def _named(expression: Any) -> Iterator[Any]:
    """Yield the named classes of an expression."""
    import owlready2

    if _is_named(expression):
        yield expression
    elif _is(expression, "And") or _is(expression, "Or"):
        for part in expression.Classes:
            yield from _named(part)
    elif _is(expression, "Restriction") and expression.type == owlready2.SOME:
        yield from _named(expression.value)
    else:
        raise ConfigError(f"the ontology defines a class by {expression}", hint="and, or and some can be evaluated")
