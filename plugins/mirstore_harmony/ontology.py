"""The ontology: what makes a chord a dominant or a subdominant of the chord after it, as OWL 2 classes.

It knows no keys and no roots. A chord has a quality, a distance of its root above that of the next chord, and a next
chord. From the nine scales follow the degrees: the fifth of the Ionian mode is a chord 7 semitones above its tonic that
is a major triad or a dominant seventh chord. From the degrees follow the functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mirstore_harmony.theory import degrees, major_modes, minor_modes, modes, qualities, stacked_thirds

iri = "urn:mirstore:functional-harmony#"
shipped = Path(__file__).parent / "functional-harmony.owl"

quality_classes = {
    "maj": "MajorTriad", "min": "MinorTriad", "dim": "DiminishedTriad", "aug": "AugmentedTriad",
    "maj7": "MajorSeventhChord", "7": "DominantSeventhChord", "min7": "MinorSeventhChord",
    "minmaj7": "MinorMajorSeventhChord", "hdim7": "HalfDiminishedSeventhChord", "dim7": "DiminishedSeventhChord",
    "augmaj7": "AugmentedMajorSeventhChord",
}  # fmt: skip


def distance_class(semitones: int) -> str:
    """Return the name of the class of chords whose root is so far above that of the next chord.

    Parameters
    ----------
    semitones : int
        From 0 to 11.

    Examples
    --------
    >>> distance_class(7)
    'Root7AboveNext'
    """
    return f"Root{semitones}AboveNext"


def load(path: Path = shipped) -> Any:
    """Return an ontology that was read from a file, in a world of its own.

    Parameters
    ----------
    path : path
        RDF/XML.
    """
    import owlready2

    with path.open("rb") as file:
        return owlready2.World().get_ontology(iri).load(fileobj=file)


def build() -> Any:
    """Return the ontology, made from scales and qualities, in a world of its own."""
    import owlready2

    ontology = owlready2.World().get_ontology(iri)
    with ontology:
        _Classes(ontology, owlready2).make()
    return ontology


class _Classes:
    """The classes of one ontology, while they are made."""

    def __init__(self, ontology: Any, owl: Any) -> None:
        self.ontology, self.owl = ontology, owl

    def make(self) -> None:
        self.chord = self.new("Chord", "A chord that sounds, with its place in a progression.", self.owl.Thing)
        self.next = self.owl.types.new_class("hasNext", (self.owl.ObjectProperty, self.owl.FunctionalProperty))
        self.next.domain = self.next.range = [self.chord]
        self.next.comment = ["The chord after this one."]
        for name, place in (("start", "begins"), ("end", "ends")):
            made = self.owl.types.new_class(name, (self.owl.DataProperty, self.owl.FunctionalProperty))
            made.domain, made.range = [self.chord], [float]
            made.comment = [f"Where the chord {place} [s]."]
        self.qualities()
        self.distances()
        self.degrees()
        self.tonic = self.new("TonicChord", "A chord on the first degree of any mode: what can be arrived at.")
        self.tonic.equivalent_to = [self.any(self.degree(mode, "First") for mode in modes)]
        self.functions()
        self.special_functions()

    def qualities(self) -> None:
        families = {
            3: self.new("Triad", "Three tones in thirds."),
            4: self.new("SeventhChord", "Four tones in thirds."),
        }
        made = [
            self.new(quality_classes[name], f"{', '.join(map(str, tones))} semitones above the root.", families[size])
            for name, tones in qualities.items()
            for size in [len(tones)]
        ]
        self.owl.AllDisjoint(made)

    def distances(self) -> None:
        text = "The root is {} semitones above the root of the next chord, octaves aside."
        self.owl.AllDisjoint([self.new(distance_class(steps), text.format(steps)) for steps in range(12)])

    def degrees(self) -> None:
        """Of the first degrees the root need not be told: it is their own."""
        for mode, scale in modes.items():
            for place, name in enumerate(degrees):
                made = self.new(f"{mode}{name}", f"{name} degree of the {mode} scale on the root of the next chord.")
                built = self.any(self.ontology[quality_classes[quality]] for quality in stacked_thirds(mode, place))
                root = self.ontology[distance_class(scale[place])]
                made.equivalent_to = [root & built if place else built]
            first = self.degree(mode, "First")
            first.comment = [f"First degree of the {mode} scale on its own root."]

    def functions(self) -> None:
        function = self.new("ChordFunction", "What a chord does to the chord after it.")
        texts = "fifth, third or seventh degree that leads to a tonic", "fourth, second or sixth degree before a tonic"
        self.dominant, self.subdominant = (
            self.new(name, f"A chord on a {text}.", function)
            for name, text in zip(("DominantFunction", "SubdominantFunction"), texts, strict=True)
        )
        self.to_any_tonic("FifthDominant", self.dominant, "Fifth", modes)
        self.to_any_tonic("MediantDominant", self.dominant, "Third", major_modes)
        self.to_any_tonic("MajorModeSeventhDominant", self.dominant, "Seventh", major_modes)
        self.to_its_own_tonic("MinorModeSeventhDominant", self.dominant, "Seventh", minor_modes)
        self.to_any_tonic("FourthSubdominant", self.subdominant, "Fourth", modes)
        self.to_any_tonic("SupertonicSubdominant", self.subdominant, "Second", modes)
        self.to_its_own_tonic("SubmediantSubdominant", self.subdominant, "Sixth", minor_modes)
        tonic = self.new("Tonic", "A tonic that a dominant has led to.", self.tonic)
        tonic.equivalent_to = [self.tonic & self.owl.Inverse(self.next).some(self.dominant)]

    def special_functions(self) -> None:
        self.to_its_own_tonic("MajorDominant", self.dominant, "Fifth", ("Ionian", "HarmonicMinor"))
        self.to_its_own_tonic("MixolydianSeventhDominant", self.dominant, "Seventh", ("Mixolydian",))
        self.to_its_own_tonic("AeolianSeventhDominant", self.dominant, "Seventh", ("Aeolian",))
        self.to_any_tonic("MinorFourthSubdominant", self.subdominant, "Fourth", ("Aeolian",))

    def to_any_tonic(self, name: str, family: Any, degree: str, of: Iterable[str]) -> None:
        text = f"{degree} degree of {_listed(of)} before a tonic of any mode."
        made = self.new(name, text, family)
        made.equivalent_to = [self.any(self.degree(mode, degree) for mode in of) & self.next.some(self.tonic)]

    def to_its_own_tonic(self, name: str, family: Any, degree: str, of: Iterable[str]) -> None:
        made = self.new(name, f"{degree} degree of {_listed(of)} before the tonic of the same mode.", family)
        ways = [self.degree(mode, degree) & self.next.some(self.degree(mode, "First")) for mode in of]
        made.equivalent_to = [self.any(ways)]

    def degree(self, mode: str, name: str) -> Any:
        return self.ontology[f"{mode}{name}"]

    def new(self, name: str, text: str, family: Any = None) -> Any:
        made = self.owl.types.new_class(name, (family or self.chord,))
        made.comment = [text]
        return made

    def any(self, classes: Iterable[Any]) -> Any:
        of = list(classes)
        return self.owl.Or(of) if len(of) > 1 else of[0]


def _listed(of: Iterable[str]) -> str:
    return "any mode" if len(list(of)) == len(modes) else "one of " + ", ".join(of)
