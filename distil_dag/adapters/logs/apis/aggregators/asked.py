"""One question to a service."""

from __future__ import annotations

from typing import Any


def answer(client: Any, method: str, path: str, **more: Any) -> Any:
    """What a service answers, as the value that its JSON holds.

    Args:
        client: dlt's client of the service.
        method: The HTTP method.
        path: What is asked for, below the service's address.
        more: What `requests` sends: params, json.

    Raises:
        requests.HTTPError: The service refuses.
        ValueError: The answer is no JSON.
    """
    response = client.request(path, method=method, **more)
    response.raise_for_status()
    return response.json()
