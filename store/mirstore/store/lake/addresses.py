"""Addresses of shared stores: ``postgres://USER@HOST/DATABASE?data=s3://BUCKET/FOLDER``, without any secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from mirstore.core.errors import UsageError

schemes = ("postgres", "postgresql")
form = "postgres://USER@HOST/DATABASE?data=s3://BUCKET/FOLDER"
_address = re.compile(
    r"(?P<scheme>postgres|postgresql)://(?P<where>([^\s:/?#@]+(?P<password>:[^/?#@]*)?@)?"
    r"([^\s:/?#@\[\]]+|\[[0-9A-Fa-f:.]+\])?(:\d+)?/[^\s/?#@]+)(\?(?P<options>[^\s#]*))?"
)


@dataclass(frozen=True)
class Address:
    """What an address says.

    Attributes
    ----------
    database : str
        As libpq takes it.
    name : str
        The same as the user wrote it.
    data : str or None
        The place of the data, if it is said.
    """

    database: str
    name: str
    data: str | None

    @classmethod
    def of(cls, text: str) -> Address:
        """Return what an address says.

        Parameters
        ----------
        text : str

        Raises
        ------
        UsageError
            If it is none, or has a password.
        """
        found = _address.fullmatch(text)
        asked = dict(parse_qsl(found["options"] or "")) if found else {}
        if found is None or found["password"] or any("password" in name.lower() for name in asked):
            raise UsageError(  # what is wrong with it is not repeated: it may hold a password
                "that is no address of a store, or has a password: commands are kept with what they brought",
                hint=f"{form}; set PGPASSWORD, or write it to ~/.pgpass",
            )
        data = asked.pop("data", None)
        options = f"?{urlencode(asked, quote_via=quote)}" if asked else ""  # libpq takes no + for a blank
        where = f"{found['where']}{options}"
        return cls(f"postgresql://{where}", f"{found['scheme']}://{where}", data)
