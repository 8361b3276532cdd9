"""What the requests about agreements have in common: hashes, and what people signed."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from node.api.requests import Form

Hash: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A leaf hash or an agreement's hash."""


class SignatureForm(Form):
    """One person's signature: key id and signature in hex."""

    key: Hash
    role: str
    signature: str = Field(pattern="^[0-9a-f]{128}$")


class SignedForm(Form):
    """What every statement has that a person signs; the nonce is 16 bytes in hex, its first bit set."""

    nonce: str = Field(pattern="^[89a-f][0-9a-f]{31}$")
    signatures: list[SignatureForm] = Field(min_length=1, max_length=16)
