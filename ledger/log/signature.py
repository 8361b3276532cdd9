"""Ed25519 as this ledger uses it: which keys are enrolled, which signatures count.

- A public key is 32 bytes: the canonical encoding of a point of prime order (so not the identity).
- A signature is 64 bytes `R | S` with S below the group order and R not the identity in any encoding.
- Then libsodium's single verification decides; batch verification would decide differently.

With these checks two independent libraries agree on every known edge case.
"""

from __future__ import annotations

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from ledger.errors import InvalidError, MalformedError, short

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

# y = 1, canonical and as y + p, each with both signs of the x that is 0 anyway.
_IDENTITIES = frozenset(
    (y | sign << 255).to_bytes(32, "little") for y in (1, 2**255 - 19 + 1) for sign in (0, 1)
)


def public_key(seed: bytes) -> bytes:
    """The public key of a 32-byte seed."""
    return bytes(_signing_key(seed).verify_key)


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte signature of a message, always the same for the same seed and message."""
    signature: bytes = _signing_key(seed).sign(message).signature
    return signature


def check_public_key(key: bytes, where: str) -> None:
    """Whether a key may be enrolled; every key is checked here before its first use."""
    if len(key) != PUBLIC_KEY_BYTES:
        raise MalformedError(
            where, found=f"{len(key)} bytes", expected=f"{PUBLIC_KEY_BYTES} bytes of public key"
        )
    if not crypto_core_ed25519_is_valid_point(key):
        raise InvalidError(where, found=f"key {short(key)}", expected="a canonical point of prime order")


def check_signature(key: bytes, message: bytes, signature: bytes, where: str) -> None:
    """Whether `signature` over `message` is by `key`, a key that `check_public_key` let in."""
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedError(
            where, found=f"{len(signature)} bytes", expected=f"{SIGNATURE_BYTES} bytes of signature"
        )
    if len(key) != PUBLIC_KEY_BYTES:
        raise MalformedError(
            where, found=f"{len(key)} bytes", expected=f"{PUBLIC_KEY_BYTES} bytes of public key"
        )
    if int.from_bytes(signature[32:], "little") >= GROUP_ORDER or signature[:32] in _IDENTITIES:
        raise InvalidError(where, found="signature out of range", expected=f"a signature by {short(key)}")
    try:
        VerifyKey(key).verify(message, signature)
    except BadSignatureError as error:
        raise InvalidError(
            where, found="signature does not verify", expected=f"a signature by {short(key)}"
        ) from error


def _signing_key(seed: bytes) -> SigningKey:
    if len(seed) != SEED_BYTES:
        raise MalformedError(
            "signing key", found=f"{len(seed)} bytes", expected=f"{SEED_BYTES} bytes of seed"
        )
    return SigningKey(seed)
