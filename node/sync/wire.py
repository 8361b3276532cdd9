"""The messages between nodes (docs/format.md, section 8): strict msgpack maps, each with one form.

Reading a message checks its form only; what it claims is checked by the one door (`ledger.log.intake`)
or by whoever uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from operator import lt
from typing import TypeVar

import msgpack

from ledger.errors import MalformedError, TooLargeError, short
from ledger.log.encoding import Encodable, Value, decode, encode
from ledger.log.entry import SALT_BYTES

T = TypeVar("T")

MEDIA_TYPE = "application/msgpack"
PREFIX = "/sync/v1"
MAX_HASHES = 64
MAX_NOTES = 1024
MAX_SEQS = 10_000
MAX_BATCHES = 64
MAX_ORIGIN_CHARS = 128
MAX_JOIN_BYTES = 256 * 1024
"""Largest request to join, which anybody may send: a newcomer's log has two entries."""

MIN_ITEMS = 16 * 1024
BYTES_PER_ITEM = 16
"""A message has at most `MIN_ITEMS` values, or one for so many of its bytes: real ones have far fewer, and
a value of one byte costs a hundred in memory."""

Payload = tuple[int, bytes, bytes]
"""Position, salt, payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A run of one log with the payloads that the receiver may have, under a signed note."""

    origin: str
    start: int
    entries: Sequence[bytes]
    payloads: Sequence[Payload]
    checkpoint: str
    proof: Sequence[bytes] = ()
    witnessed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAnswer:
    """What the receiver now holds of the log, and its cosignature line if it holds all of it.

    `size` is lower where the receiver still wants the payload of an entry that it holds: the position of
    the first of these, from where the author should push again.
    """

    size: int
    cosignature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The signed notes a node holds, and its clock in milliseconds."""

    notes: Sequence[str]
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """Ask for a log from position `start`, in at most about `limit_bytes`."""

    origin: str
    start: int
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadsRequest:
    """Ask for payloads of one log by position."""

    origin: str
    seqs: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """A newcomer's own log so far, and the secret of its invitation."""

    batch: Batch
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """The leaf hash of the admission, and the logs from which the newcomer learns the network."""

    admitted: bytes
    batches: Sequence[Batch]


def format_batch(batch: Batch) -> bytes:
    """A batch as bytes.

    Packed as it is: its keys stand in order, and its values are integers, texts and bytes of one encoding
    each, which `encode` would go through one by one.
    """
    packed: bytes = msgpack.packb(_batch_map(batch))
    return packed


def parse_batch(data: bytes, where: str = "batch") -> Batch:
    """A batch from bytes. Raises MalformedError where it has another form."""
    return _batch_of(_decode(data, where), where)


def format_push_answer(answer: PushAnswer) -> bytes:
    """The answer to a push as bytes."""
    return encode({"cosignature": answer.cosignature, "size": answer.size})


def parse_push_answer(data: bytes, where: str = "answer to push") -> PushAnswer:
    """The answer to a push."""
    fields = _fields(_decode(data, where), ("cosignature", "size"), where)
    return PushAnswer(
        size=_count(fields["size"], f"{where} size"),
        cosignature=_text_or_nil(fields["cosignature"], f"{where} cosignature"),
    )


def format_heads(heads: Heads) -> bytes:
    """Heads as bytes."""
    return encode({"heads": list(heads.notes), "time": heads.time_ms})


def parse_heads(data: bytes, where: str = "heads") -> Heads:
    """Heads from bytes."""
    fields = _fields(_decode(data, where), ("heads", "time"), where)
    return Heads(
        notes=_list(fields["heads"], MAX_NOTES, _text, f"{where} heads"),
        time_ms=_count(fields["time"], f"{where} time"),
    )


def format_pull_request(request: PullRequest) -> bytes:
    """A request to pull as bytes."""
    return encode({"from": request.start, "limit_bytes": request.limit_bytes, "origin": request.origin})


def parse_pull_request(data: bytes, where: str = "pull") -> PullRequest:
    """A request to pull."""
    fields = _fields(_decode(data, where), ("from", "limit_bytes", "origin"), where)
    return PullRequest(
        origin=_origin(fields["origin"], f"{where} origin"),
        start=_count(fields["from"], f"{where} from"),
        limit_bytes=_count(fields["limit_bytes"], f"{where} limit_bytes"),
    )


def format_payloads_request(request: PayloadsRequest) -> bytes:
    """A request for payloads as bytes."""
    return encode({"origin": request.origin, "seqs": list(request.seqs)})


def parse_payloads_request(data: bytes, where: str = "payloads") -> PayloadsRequest:
    """A request for payloads."""
    fields = _fields(_decode(data, where), ("origin", "seqs"), where)
    return PayloadsRequest(
        origin=_origin(fields["origin"], f"{where} origin"),
        seqs=_list(fields["seqs"], MAX_SEQS, _count, f"{where} seqs"),
    )


def format_payloads(payloads: Sequence[Payload]) -> bytes:
    """Payloads as bytes."""
    return encode({"payloads": [list(payload) for payload in payloads]})


def parse_payloads(data: bytes, where: str = "payloads") -> list[Payload]:
    """Payloads from bytes."""
    fields = _fields(_decode(data, where), ("payloads",), where)
    place = f"{where} payloads"
    return _in_order(_list(fields["payloads"], MAX_SEQS, _payload, place), place)


def format_join_request(request: JoinRequest) -> bytes:
    """A request to join as bytes."""
    return encode({"batch": _batch_map(request.batch), "secret": request.secret})


def parse_join_request(data: bytes, where: str = "join") -> JoinRequest:
    """A request to join."""
    fields = _fields(_decode(data, where), ("batch", "secret"), where)
    return JoinRequest(
        batch=_batch_of(fields["batch"], f"{where} batch"), secret=_bytes(fields["secret"], f"{where} secret")
    )


def format_join_answer(answer: JoinAnswer) -> bytes:
    """The answer to a request to join as bytes."""
    return encode({"admitted": answer.admitted, "batches": [_batch_map(batch) for batch in answer.batches]})


def parse_join_answer(data: bytes, where: str = "answer to join") -> JoinAnswer:
    """The answer to a request to join."""
    fields = _fields(_decode(data, where), ("admitted", "batches"), where)
    return JoinAnswer(
        admitted=_bytes(fields["admitted"], f"{where} admitted"),
        batches=_list(fields["batches"], MAX_BATCHES, _batch_of, f"{where} batches"),
    )


_BATCH_KEYS = ("checkpoint", "entries", "from", "origin", "payloads", "proof", "witnessed")


def _batch_map(batch: Batch) -> dict[str, Encodable]:
    return {
        "checkpoint": batch.checkpoint,
        "entries": list(batch.entries),
        "from": batch.start,
        "origin": batch.origin,
        "payloads": [list(payload) for payload in batch.payloads],
        "proof": list(batch.proof),
        "witnessed": batch.witnessed,
    }


def _batch_of(value: Value, where: str) -> Batch:
    fields = _fields(value, _BATCH_KEYS, where)
    return Batch(
        origin=_origin(fields["origin"], f"{where} origin"),
        start=_count(fields["from"], f"{where} from"),
        entries=_entries(fields["entries"], f"{where} entries"),
        payloads=_in_order(_payloads(fields["payloads"], f"{where} payloads"), f"{where} payloads"),
        checkpoint=_text(fields["checkpoint"], f"{where} checkpoint"),
        proof=_list(fields["proof"], MAX_HASHES, _bytes, f"{where} proof"),
        witnessed=_text_or_nil(fields["witnessed"], f"{where} witnessed"),
    )


def _decode(data: bytes, where: str) -> Value:
    """Strict msgpack, after a look at how many values it has, which makes no more of them than allowed."""
    room = max(MIN_ITEMS, len(data) // BYTES_PER_ITEM)
    too_many = TooLargeError(where, found="too many values", expected=f"{BYTES_PER_ITEM} bytes for each")

    def count(items: Sized) -> None:
        nonlocal room
        room -= len(items)
        if room < 0:
            raise too_many

    try:
        msgpack.unpackb(data, list_hook=count, object_hook=count, max_array_len=room, max_map_len=room)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        if " exceeds max_" in str(error):
            raise too_many from error
        # What else is wrong is refused below, in words.
    return decode(data, where)


def _fields(value: Value, keys: Sequence[str], where: str) -> Mapping[str, Value]:
    if type(value) is not dict or list(value) != list(keys):
        raise MalformedError(where, found=short(value), expected=f"a map of {', '.join(keys)}")
    return value


def _list(value: Value, limit: int | None, read: Callable[[Value, str], T], where: str) -> list[T]:
    if type(value) is not list or (limit is not None and len(value) > limit):
        raise MalformedError(where, found=short(value), expected=f"a list of at most {limit or 'any'} items")
    return [read(item, where) for item in value]


def _text(value: Value, where: str) -> str:
    if type(value) is not str:
        raise MalformedError(where, found=short(value), expected="text")
    return value


def _origin(value: Value, where: str) -> str:
    text = _text(value, where)
    if len(text) > MAX_ORIGIN_CHARS:
        raise MalformedError(
            where, found=f"{len(text)} characters", expected=f"at most {MAX_ORIGIN_CHARS}, a log's name"
        )
    return text


def _text_or_nil(value: Value, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _bytes(value: Value, where: str) -> bytes:
    if type(value) is not bytes:
        raise MalformedError(where, found=short(value), expected="bytes")
    return value


def _count(value: Value, where: str) -> int:
    if type(value) is not int or value < 0:
        raise MalformedError(where, found=short(value), expected="an integer from 0")
    return value


def _entries(value: Value, where: str) -> list[bytes]:
    """All at once, since batches are large; one by one only to say what is wrong."""
    if type(value) is list and set(map(type, value)) <= {bytes}:
        return value  # type: ignore[return-value]  # a list of bytes, as was just looked at
    return _list(value, None, _bytes, where)


def _payloads(value: Value, where: str) -> list[Payload]:
    """As `_entries`: column by column, one by one only to say what is wrong."""
    if type(value) is list and set(map(type, value)) == {list} and set(map(len, value)) == {3}:  # type: ignore[arg-type]  # lists
        seqs, salts, payloads = zip(*value, strict=True)
        if (
            set(map(type, seqs)) == {int}
            and min(seqs) >= 0
            and set(map(type, salts)) == set(map(type, payloads)) == {bytes}
            and set(map(len, salts)) == {SALT_BYTES}
        ):
            return list(zip(seqs, salts, payloads, strict=True))
    return _list(value, None, _payload, where)


def _in_order(payloads: list[Payload], where: str) -> list[Payload]:
    """Each position once, as the format has it: a payload that comes twice would be indexed twice."""
    seqs = [payload[0] for payload in payloads]
    if not all(map(lt, seqs, seqs[1:])):
        raise MalformedError(where, found="positions out of order or twice", expected="rising positions")
    return payloads


def _payload(value: Value, where: str) -> Payload:
    if type(value) is not list or len(value) != 3:
        raise MalformedError(where, found=short(value), expected="[seq, salt, payload]")
    seq, salt, payload = value
    if type(salt) is not bytes or len(salt) != SALT_BYTES:
        raise MalformedError(f"{where} salt", found=short(salt), expected=f"{SALT_BYTES} bytes")
    return _count(seq, where), salt, _bytes(payload, where)
