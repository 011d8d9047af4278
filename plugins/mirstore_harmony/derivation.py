"""From the ontology to the table of functions.

After a change of the ontology, or of what it is built from, ``python -m mirstore_harmony.derivation`` writes both
files again.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from mirstore_harmony import ontology, table
from mirstore_harmony.reasoning import Rules
from mirstore_harmony.theory import functions


def derive(of: Any) -> table.Table:
    """Return the table that an ontology implies.

    Parameters
    ----------
    of : owlready2.Ontology
        As `mirstore_harmony.ontology` builds or loads it.
    """
    rules, columns = Rules(of.world), {of[name]: column for column, name in functions.items()}
    found = {}
    for interval, quality, following in table.pairs():
        first, second = (of[ontology.quality_classes[each]] for each in (quality, following))
        classes, _ = rules.classes([of[ontology.distance_class(interval)], first], [second])
        if named := frozenset(columns[kind] for kind in classes if kind in columns):
            found[interval, quality, following] = named
    return found


def _write() -> None:
    built = ontology.build()
    written = io.BytesIO()
    built.save(written)
    whole = written.getvalue().decode().replace('"#', f'"{ontology.iri}')  # not all readers resolve names against a urn
    ontology.shipped.write_text(whole)
    with table.path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["interval", "quality", "next", "functions"])
        for (interval, quality, following), named in derive(built).items():
            writer.writerow([interval, quality, following, " ".join(sorted(named, key=list(functions).index))])


if __name__ == "__main__":
    _write()
