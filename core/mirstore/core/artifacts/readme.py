"""What a kept model is, for people: the page beside an exported one, and the lines that a registry needs to use it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mirstore.core.artifacts.card import Card
from mirstore.core.artifacts.files import Artifact
from mirstore.core.features import heard


def readme(artifact: Artifact, name: str) -> str:
    """Return a page in Markdown.

    Parameters
    ----------
    artifact : Artifact
    name : str
        What the model is called.
    """
    card = artifact.card
    return f"""# {name}

{card.learned.component}, learned from the {card.data.labels} of {card.data.tracks} tracks of {card.data.dataset}
(experiment {card.experiment}). `card.json` says all of it; there is no code in these files.

{scores(card)}

Licence of the model: {card.licence or "not stated"}. Licence of the data: {card.data.licence or "not stated"}.

## Use it

```
$ mirstore models add FOLDER --name {name}
$ mirstore ingest ~/Music --features my-{name}
```

with these lines in registry.toml:

```toml
{entry(card, name)}

{definitions(card)}
```
"""


def entry(card: Card, name: str) -> str:
    """Return the lines of registry.toml that make features of a kept model's scores.

    Parameters
    ----------
    card : Card
    name : str
        What the model is called.
    """
    return f'[features.my-{name}]\nextractor = "model@1"\nparams = {_toml({"artifact": name})}'


def definitions(card: Card) -> str:
    """Return the lines of registry.toml that mean the very features that the model learned from.

    Parameters
    ----------
    card : Card
    """
    return "\n\n".join(_definitions(card))


def _definitions(card: Card) -> Iterator[str]:
    names = {id_: name for name, id_ in card.learned.features.items()}
    for id_, definition in reversed(card.definitions.items()):  # what is read stands before its reader
        inputs = {}
        for read, source in definition.inputs.items():
            declared, _, column = read.partition(".")  # a sound that is heard: audio.vocals
            taken = declared == heard or declared in names.values()
            name = names.setdefault(source, f"{declared}-{source}" if taken else declared)
            inputs[declared] = f"{name}.{column}" if column else name
        lines = [f"[features.{_key(names[id_])}]  # {id_}", f"extractor = {_toml(definition.extractor)}"]
        if params := {key: value for key, value in definition.params.items() if value is not None}:
            lines.append(f"params = {_toml(params)}")
        if other := {declared: name for declared, name in inputs.items() if name != declared}:
            lines.append(f"inputs = {_toml(other)}")
        yield "\n".join(lines)


def _toml(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def scores(card: Card) -> str:
    """Return the scores on a card as a table in Markdown.

    Parameters
    ----------
    card : Card
    """
    if card.scores is None:
        return "Scores: none, the case had not been run when the model was kept."
    rows = [
        f"| {name} | {score.mean:.4f} | {_interval(score.low, score.high)} |" for name, score in card.scores.items()
    ]
    return "\n".join(["| metric | mean | 95 % interval |", "|---|---|---|", *rows])


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4f} to {high:.4f}"
