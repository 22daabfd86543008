"""What an error of a service means, and what is to be done about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from distil_dag.adapters.logs.apis.secrets import Secrets
from distil_dag.adapters.system.environment import SourceError, SourceUnavailable, masked

_LATER = frozenset({408, 425, 429})
_LONGEST, _READ = 300, 20_000
_ADVICE = {
    401: "it does not know the keys: check the variables that they are read from",
    403: "the keys have no right to this: give them the right to read, or take others",
    404: "nothing is there: check traces.url and what is asked for below it",
}


def told(error: Exception, url: str, base: str, secrets: Secrets) -> SourceError:
    """An error of a service or its client, in words for the user and without secrets.

    Args:
        error: What requests or dlt has raised.
        url: The service's address, with variables in their places.
        base: The same with their values.
        secrets: What is sent to the service.

    Returns:
        SourceUnavailable where a later try may succeed.
    """
    import requests

    response = getattr(error, "response", None)
    request = getattr(response, "request", None) or getattr(error, "request", None)
    kind, said = SourceError, f"{type(error).__name__}: {error}"
    if isinstance(error, SourceError):
        kind, said = type(error), str(error)
    elif response is not None:
        kind = SourceUnavailable if _may_pass(response.status_code) else SourceError
        said = _refused(response, base)
    elif isinstance(error, requests.exceptions.JSONDecodeError):
        said = f"gives no JSON but {_form(error.doc)}: {error.doc}"
    elif isinstance(error, requests.exceptions.SSLError):
        said = f"has no certificate that is known here (REQUESTS_CA_BUNDLE names others): {error}"
    elif isinstance(
        error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    ):
        kind = SourceUnavailable
    hidden = " ".join(secrets.hidden(said[:_READ], request).split())
    cut = hidden if len(hidden) <= _LONGEST else hidden[:_LONGEST] + "..."
    return kind(f"traces: {masked(url)} {cut}")


def _may_pass(status: int) -> bool:
    return status in _LATER or status >= 500


def _refused(response: Any, base: str) -> str:
    advice = _ADVICE.get(response.status_code)
    said = f"answers {response.status_code} {response.reason}"
    asked, own = urlsplit(str(response.url)), urlsplit(base)
    if (asked.scheme, asked.netloc) != (own.scheme, own.netloc):
        # Such as the link to a next page, of a service that does not know its own address.
        said = f"led to {asked.scheme}://{asked.netloc}, which got no keys and {said}"
    return f"{said}, {advice}. It says: {response.text}" if advice else f"{said}: {response.text}"


def _form(text: str) -> str:
    start = text.lstrip()[:100].lower()
    if not start:
        return "nothing"
    return "a page of HTML" if start.startswith(("<!doctype html", "<html")) else "a text"
