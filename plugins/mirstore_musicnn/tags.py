"""The tags of both collections that the networks were trained on, in the order of their outputs."""

from __future__ import annotations

import re

msd = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock"),
    *("jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow"),
    *("electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient"),
    *("acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country"),
    *("easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb"),
    *("indie pop", "sad", "House", "happy"),
)
"""Of Last.fm, for the Million Song Dataset."""

mtt = (
    *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient"),
    *("beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals"),
    *("harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo"),
    *("man", "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello"),
    *("no voice", "weird", "country", "metal", "female voice", "choral"),
)
"""Of MagnaTagATune."""


def column(tag: str) -> str:
    """Return what the column of a tag is called.

    Parameters
    ----------
    tag : str

    Examples
    --------
    >>> column("Hip-Hop"), column("60s")
    ('hip_hop', 'tag_60s')
    """
    name = re.sub(r"[^a-z0-9]", "_", tag.lower())
    return f"tag_{name}" if name[0].isdigit() else name
