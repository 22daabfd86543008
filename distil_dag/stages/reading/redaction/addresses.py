"""Keys and addresses: what has a form of its own and needs no evidence besides."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from distil_dag.core.scripts import DENSE, SPACED
from distil_dag.stages.reading.redaction.first_look import is_worth_a_look

# Where a value begins and ends in a text: letters of scripts without spaces may touch it.
FREE, DONE = rf"(?<!{SPACED})", rf"(?!{SPACED})"

# Prefixes that the issuers document for their own secret scanning.
API_KEY = re.compile(
    r"\b(?:sk|pk|rk)[-_](?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{16,200}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,255}|\bgithub_pat_\w{20,255}|\bglpat-[\w-]{20,64}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bxox[abeprs]-[A-Za-z0-9-]{10,250}|\bAIza[\w-]{35}"
    r"|\bhf_[A-Za-z0-9]{20,64}|\bnpm_[A-Za-z0-9]{36}|\bdop_v1_[0-9a-f]{64}|\bSG\.[\w-]{16,32}\.[\w-]{16,64}"
    r"|\beyJ[\w-]{10,4000}\.[\w-]{10,8000}\.[\w-]{10,1000}"
    r"|(?i:(?<=\bbearer )[\w.~+/=-]{20,4000})"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{0,4000}?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)",
    re.ASCII,
)
EMAIL = re.compile(
    rf"(?:{SPACED}(?:{SPACED}|[.%&'+-]){{0,63}}|[{DENSE}]{{1,64}})[@\uff20](?:[\w-]{{1,63}}\.){{1,8}}"
    rf"(?:xn--(?a:[\w-]{{2,59}})|[^\W\d_{DENSE}]{{2,24}}|[{DENSE}]{{2,24}})"
)
IP = re.compile(
    rf"{FREE}(?<!\.)(?:\d{{1,3}}\.){{3}}\d{{1,3}}{DONE}(?!\.\d)"
    rf"|{FREE}(?<![:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}"
    rf"(?:[0-9A-Fa-f]{{1,4}}|(?:\d{{1,3}}\.){{3}}\d{{1,3}})?{DONE}(?!:)"
)
_VERSION = re.compile(r"(?i)\b(?:version|release|firmware|build)\W{0,3}$")


def api_key(match: re.Match[str]) -> str:
    """The key as it stands."""
    return match[0]


def email(match: re.Match[str]) -> str:
    """The address in one spelling."""
    return unicodedata.normalize("NFKC", match[0]).casefold()


def ip_address(match: re.Match[str]) -> str | None:
    """The address in one spelling; None for a version, a time or punctuation."""
    text = match[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if _VERSION.search(match.string[max(0, match.start() - 20) : match.start()]):
        return None
    # `10::30` is more likely a time, and `::` punctuation.
    plain = address.version == 4 or text.count(":") >= 4 or re.search("[A-Fa-f]", text)
    return str(address) if plain else None


def is_personal(text: str) -> bool:
    """True for a text that holds an address or a key, whatever else it is."""
    return is_worth_a_look(text) and bool(EMAIL.search(text) or API_KEY.search(text))
