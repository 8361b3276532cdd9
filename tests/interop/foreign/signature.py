"""Ed25519 with the rules of section 1."""

from __future__ import annotations

from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .encoding import Refused, need

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


@cache
def check_public_key(key: bytes) -> None:
    """Refuse a key that is not a canonical point of prime order."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    need(len(key) == 32 and y < P, "a public key that is not canonical")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - square) % P == 0 and (x or key[31] < 128), "a public key that is no point")
    if x & 1 != key[31] >> 7:
        x = P - x
    need((x, y) != (0, 1) and _times(L, (x, y)) == (0, 1), "a public key that is not of prime order")


def _times(count: int, point: tuple[int, int]) -> tuple[int, int]:
    total = (0, 1)
    while count:
        if count & 1:
            total = _plus(total, point)
        point, count = _plus(point, point), count >> 1
    return total


def _plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, P)
    return x % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P) % P


def check_signature(key: bytes, message: bytes, signature: bytes) -> None:
    """Refuse a signature that is not by this key over this message."""
    check_public_key(key)
    need(len(signature) == 64, "a signature that is not 64 bytes")
    need(int.from_bytes(signature[32:], "little") < L, "a signature with S out of range")
    identities = [(y | sign << 255).to_bytes(32, "little") for y in (1, P + 1) for sign in (0, 1)]
    need(signature[:32] not in identities, "a signature with R the identity")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature as error:
        raise Refused("the signature does not fit") from error
