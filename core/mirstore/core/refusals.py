"""What object storage means that does not do what it is asked, in words.

Its answers are never shown: S3 repeats the session token that has expired, and the key that it does not know.
"""

from __future__ import annotations

import re

_safe = "; what was committed is safe"
_renew = "get new ones (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), and give the same command again"
_check = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which must be of one set"
_known = {
    "ExpiredToken": ("the credentials have expired", _renew),
    "ExpiredTokenException": ("the credentials have expired", _renew),
    "RequestExpired": ("the credentials have expired", _renew),
    "TokenRefreshRequired": ("the credentials have expired", _renew),
    "InvalidToken": ("access is denied: the session token is not valid", _check),
    "InvalidAccessKeyId": ("access is denied: the access key is not known there", _check),
    "InvalidClientTokenId": ("access is denied: the access key is not known there", _check),
    "SignatureDoesNotMatch": ("access is denied: the secret key is not that of the access key", _check),
    "RequestTimeTooSkewed": ("access is denied: this machine's clock is wrong", "set the clock"),
    "AllAccessDisabled": ("access is denied: the bucket is closed", "ask who keeps the bucket"),
}
"""The codes of S3's answers: what is wrong, and what to do."""


def refusal(error: Exception) -> tuple[str, str]:
    """Return what is wrong, and what to do.

    Parameters
    ----------
    error : Exception
        Of the library that asks.
    """
    said = str(error)
    code = re.search(r"<Code>(\w{1,60})</Code>|\(code: (\w{1,60})\)", said)  # of the whole, or about a key
    name, status = code and (code[1] or code[2]), re.search(r"status code: (\d{3})", said)
    if name in _known:
        why, hint = _known[name]
        return why, hint + _safe
    denied = type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError")
    if denied or name == "AccessDenied" or (status and status[1] in ("401", "403")):
        return "access is denied", f"check the credentials in the environment, or ask who keeps the bucket{_safe}"
    hint = f"check the address, AWS_ENDPOINT_URL and the credentials in the environment{_safe}"
    if status or name:
        return f"answers {' '.join(filter(None, (status and status[1], name)))}", hint
    said = said.partition("\n")[0].partition(" failed for key")[0]  # what follows is the answer's
    return re.sub(r"\?\S+", "?…", said) or type(error).__name__, hint  # an address may have a token behind its ?
