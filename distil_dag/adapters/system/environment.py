"""Settings that name the environment, their secrets, and the error of a trace source that does not work."""

from __future__ import annotations

import os
import re

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

# Each is what stands before a secret, and the secret; a variable and nothing else is none. A password with
# raw signs ends at the last `@`.
_SECRETS = (
    re.compile(r"(://[^:/]*:)(?!\$\{\w+\}@[^@]*$)(.+)(?=@)"),
    re.compile(r"(https?://)(?!\$\{\w+\}@)([^:/@?]+)(?=@)"),
    re.compile(
        r"(?i)([?&][^=&]*(?:pass|pwd|secret|token|key|sig|credential|odbc_connect)[^=&]*=)"
        r"(?!\$\{\w+\}(?:&|$))([^&]+)"
    ),
    # Of a command: `--hf-token X`, `HF_TOKEN=X`; not `--tokenizer X`, `--max-num-batched-tokens X`.
    re.compile(
        r"(?i)((?:--(?:[a-z_-]*[-_])?(?:token|key|secret|password)[=,\s'\"]+)"
        r"|(?:(?<![?&\w])\w+_(?:token|key|secret|password)=))(?!\$\{)([^\s,'\"\]]+)"
    ),
)


class SourceError(ValueError):
    """A trace source that cannot be read as the task says: what is wrong, and what it has instead."""


class SourceUnavailable(SourceError):
    """A trace source that does not answer, and may do so later."""


def expand(text: str, setting: str) -> str:
    """The text with each `${NAME}` from the environment; SourceError names one that is not set."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise SourceError(f"{setting} needs the environment variable {match[1]}, which is not set")
        return found

    return _VARIABLE.sub(value, text)


def unexpanded(said: str, text: str) -> str:
    """What others say of an expanded setting, without its secrets: `${NAME}` stands for a value again."""
    for name in _VARIABLE.findall(text):
        if value := os.environ.get(name):
            said = said.replace(value, f"${{{name}}}")
    for secret in _SECRETS:
        for found in secret.finditer(text):
            said = said.replace(found[2], "***")
    return said


def masked(text: str) -> str:
    """A URL or a command without its password and secret options; `${NAME}` in their place stays."""
    for secret in _SECRETS:
        text = secret.sub(r"\1***", text)
    return text


def with_variables(text: str, prefix: str) -> tuple[str, tuple[str, ...]]:
    """A URL with variables of the environment in place of its secrets.

    Args:
        text: the URL.
        prefix: what names of variables begin with.

    Returns:
        The URL, and the names of the variables in it that stand for a secret.
    """
    names: list[str] = []

    def named(match: re.Match[str]) -> str:
        option = re.search(r"([A-Za-z_]\w*)=$", match[1])
        names.append(f"{prefix}_{option[1].upper() if option else 'PASSWORD'}")
        return f"{match[1]}${{{names[-1]}}}"

    for secret in _SECRETS:
        text = secret.sub(named, text)
    return text, tuple(names)


def store_without_secret(root: str) -> str:
    """The root of a store, as it is. It stands in errors, in Dagster's metadata and in reports.

    Raises:
        ValueError: The root is a URL that holds a secret.
    """
    if masked(root) != root:
        raise ValueError(
            "the store's URL (DISTIL_DAG_STORE) holds a password or a key, which would be kept with runs. "
            "Leave it out, and set what its file system reads from the environment: AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY for s3://, FSSPEC_SFTP_PASSWORD for sftp://, and so on"
        )
    return root
