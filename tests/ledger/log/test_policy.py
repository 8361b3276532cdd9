"""Policies: which logs and which witnesses make a checkpoint count."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError, TooLargeError
from ledger.log.checkpoint import cosign
from ledger.log.note import VerifierKey, add_signatures, log_vkey, sign_note
from ledger.log.policy import (
    MAX_POLICY_BYTES,
    NONE,
    Policy,
    PolicyGroup,
    PolicyLog,
    check_policy,
    format_policy,
    is_quorum,
    parse_policy,
    policy_cosignatures,
    witness_of,
)

NAMES = ("bolt/w", "dart/w", "port/w", "cord/w")
Witness = Callable[[str], VerifierKey]


@pytest.fixture(scope="session")
def keys(log: Any, witness: Witness) -> dict[str, str]:
    """The vkeys that the texts below speak of."""
    return {"LOG": log.vkey.text} | {f"W{number}": witness(name).text for number, name in enumerate(NAMES)}


@pytest.fixture(scope="session")
def read(keys: dict[str, str]) -> Callable[[str], Policy]:
    def parse(text: str) -> Policy:
        return parse_policy(re.sub(r"\b(LOG|W\d)\b", lambda found: keys[found[0]], text))

    return parse


EXAMPLE = """
# two of X, and one of Y
log LOG https://log.example/
witness\tX1  W0
witness X2 W1 https://x2.example
  witness Y1 W2\t
 # indented
group X all X1 X2
group Y any Y1
group both 2 X Y
quorum both
witness late W3
"""


def test_the_parts_of_a_policy_are_read(read: Any, log: Any, witness: Witness) -> None:
    policy = read(EXAMPLE)
    assert policy.logs == (PolicyLog(log.vkey, "https://log.example/"),)
    assert policy.witnesses == (
        witness_of("X1", witness("bolt/w")),
        witness_of("X2", witness("dart/w"), "https://x2.example"),
        witness_of("Y1", witness("port/w")),
        witness_of("late", witness("cord/w")),
    )
    assert policy.groups == (
        PolicyGroup(name="X", threshold=2, members=("X1", "X2")),
        PolicyGroup(name="Y", threshold=1, members=("Y1",)),
        PolicyGroup(name="both", threshold=2, members=("X", "Y")),
    )
    assert policy.quorum == "both"


def test_a_policy_is_read_as_it_was_written(read: Any) -> None:
    policy = read(EXAMPLE)
    assert parse_policy(format_policy(policy, ["two lines", "", "of comment"])) == policy


@pytest.mark.parametrize(
    ("cosigned", "holds"),
    [
        (("X1", "X2", "Y1"), True),
        (("X1", "X2", "Y1", "late"), True),
        (("X1", "X2"), False),
        (("X1", "Y1", "late"), False),
        ((), False),
        (("X", "Y"), True),
    ],
)
def test_a_quorum_holds_where_its_groups_hold(read: Any, cosigned: Any, holds: bool) -> None:
    assert is_quorum(read(EXAMPLE), cosigned) is holds


@given(st.sets(st.sampled_from(["a", "b", "c", "d"])), st.integers(1, 4))
def test_a_threshold_is_a_count(read: Any, cosigned: set[str], needed: int) -> None:
    policy = read(
        f"witness a W0\nwitness b W1\nwitness c W2\nwitness d W3\ngroup g {needed} a b c d\nquorum g\n"
    )
    assert is_quorum(policy, cosigned) is (len(cosigned) >= needed)


def test_groups_a_thousand_deep_are_no_burden(read: Any) -> None:
    lines = ["witness g0 W0", *(f"group g{n + 1} all g{n}" for n in range(1000)), "quorum g1000"]
    policy = read("\n".join(lines) + "\n")
    assert is_quorum(policy, ["g0"])
    assert not is_quorum(policy, [])


def test_quorum_none_asks_for_no_cosignature(read: Any, log: Any) -> None:
    assert check_policy(read("log LOG\nquorum none\n"), log.note(9)) == {}


REFUSED = {
    "nothing at all": ("", "no quorum"),
    "no quorum": ("log LOG\n", "no quorum"),
    "a quorum twice": ("quorum none\nquorum none\n", "line 2: a second quorum"),
    "a quorum that is not defined": ("quorum x\n", "line 1: quorum"),
    "a quorum defined below": ("quorum x\nwitness x W0\n", "line 1: quorum"),
    "a member defined below": ("group g any x\nwitness x W0\nquorum g\n", "line 1: member"),
    "a group of itself": ("group g any g\nquorum g\n", "line 1: member"),
    "a group of nobody": ("group g any\nquorum none\n", "line 1: 'group' and 2 items"),
    "none as a member": ("group g any none\nquorum none\n", "line 1: member"),
    "none as a witness": ("witness none W0\nquorum none\n", "line 1: name 'none'"),
    "none as a group": ("witness a W0\ngroup none any a\nquorum none\n", "line 2: name 'none'"),
    "a name twice": ("witness a W0\nwitness a W1\nquorum a\n", "line 2: name 'a' again"),
    "a group of a witness's name": ("witness a W0\ngroup a any a\nquorum a\n", "line 2: name 'a' again"),
    "a member twice": ("witness a W0\ngroup g 2 a a\nquorum g\n", "line 2: 'a' in a group again"),
    "a member of two groups": (
        "witness a W0\ngroup g any a\ngroup h any a\nquorum g\n",
        "line 3: 'a' in a group again",
    ),
    "a log twice": ("log LOG\n# x\nlog LOG\nquorum none\n", "line 3: a public key again"),
    "a witness twice": ("witness a W0\nwitness b W0\nquorum a\n", "line 2: a public key again"),
    "a threshold of none": ("witness a W0\ngroup g 0 a\nquorum g\n", "line 2: threshold"),
    "a threshold above all": ("witness a W0\ngroup g 2 a\nquorum g\n", "line 2: number '2'"),
    "a threshold with a zero before it": ("witness a W0\ngroup g 01 a\nquorum g\n", "line 2: number '01'"),
    "a threshold with a sign": ("witness a W0\ngroup g +1 a\nquorum g\n", "line 2: number"),
    "a threshold in words": ("witness a W0\ngroup g most a\nquorum g\n", "line 2: number 'most'"),
    "a threshold in digits of another script": ("witness a W0\ngroup g ١ a\nquorum g\n", "line 2: number"),
    "a word that is none": ("logs LOG\nquorum none\n", "line 1: 'logs'"),
    "a word in capitals": ("LOG x\nquorum none\n", "line 1"),
    "two quorums on a line": ("quorum none none\n", "line 1: 'quorum' and 2 items"),
    "a comment behind a line": ("quorum none # yes\n", "line 1: 'quorum' and 3 items"),
    "too many items of a log": ("log LOG u v\nquorum none\n", "line 1: 'log' and 3 items"),
    "a log without a key": ("log\nquorum none\n", "line 1: 'log' and 0 items"),
    "a witness without a key": ("witness a\nquorum none\n", "line 1: 'witness' and 1 items"),
    "a witness's key for a log": ("log W0\nquorum none\n", "line 1: key type 0x04"),
    "a log's key for a witness": ("witness a LOG\nquorum none\n", "line 1: key type 0x01"),
    "no key": ("log acme\nquorum none\n", "line 1"),
    "no line feed at the end": ("quorum none", "line 1: no line feed"),
    "a carriage return": ("quorum none\r\n", "line 1: byte 0x0d"),
    "a form feed": ("\fquorum none\n", "line 1: byte 0x0c"),
    "a byte of zero": ("# \x00\nquorum none\n", "line 1: byte 0x00"),
    "a deleted character": ("quorum none\n# \x7f\n", "line 2: byte 0x7f"),
    "a space that is none": ("quorum\u00a0none\n", "line 1"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_policy_is_refused_with_its_line(read: Any, why: str) -> None:
    text, told = REFUSED[why]
    with pytest.raises(MalformedError) as raised:
        read(text)
    assert told in str(raised.value)


def test_a_key_id_that_is_not_the_key_s_is_refused(keys: dict[str, str]) -> None:
    name, key_id, key = keys["LOG"].split("+", 2)
    with pytest.raises(MalformedError, match="line 1: key id"):
        parse_policy(f"log {name}+{int(key_id, 16) ^ 1:08x}+{key}\nquorum none\n")


def test_a_key_that_may_not_be_enrolled_is_refused_with_its_line() -> None:
    material = b"\x01" + bytes(32)
    key_id = sha256(b"a\n" + material).hexdigest()[:8]
    with pytest.raises(MalformedError, match="line 1: key 0000"):
        parse_policy(f"log a+{key_id}+{b64encode(material).decode()}\nquorum none\n")


def test_a_policy_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        parse_policy(b"#" * (MAX_POLICY_BYTES + 1))


def test_names_are_bytes_and_nothing_is_made_of_them(keys: dict[str, str]) -> None:
    for name in (b"K", b"\xe2\x84\xaa", b"\xff\xfe", "Müller".encode()):
        data = b"witness %s %s\nquorum %s\n" % (name, keys["W0"].encode(), name)
        policy = parse_policy(data)
        assert format_policy(policy).encode("utf-8", "surrogateescape") == data
    with pytest.raises(MalformedError, match="quorum"):
        parse_policy(b"witness K %s\nquorum \xe2\x84\xaa\n" % keys["W0"].encode())


def test_two_of_three_witnesses_are_enough(read: Any, log: Any) -> None:
    policy = read("log LOG\nwitness a W0\nwitness b W1\nwitness c W2\ngroup g 2 a b c\nquorum g\n")
    assert check_policy(policy, log.cosigned(9, "bolt/w", "port/w")) == {
        "a": 1_700_000_000,
        "c": 1_700_000_001,
    }
    for too_few in (log.note(9), log.cosigned(9, "bolt/w"), log.cosigned(9, "bolt/w", "cord/w", "else/w")):
        with pytest.raises(InvalidError, match="quorum"):
            check_policy(policy, too_few)


def test_a_log_that_the_policy_does_not_name_is_refused(read: Any, log: Any) -> None:
    policy = read("witness a W0\nquorum a\n")
    with pytest.raises(InvalidError, match="log 'acme"):
        check_policy(policy, log.cosigned(9, "bolt/w"))


def test_another_key_under_the_log_s_name_is_refused(read: Any, log: Any) -> None:
    text = log.note(9).split("\n\n")[0] + "\n"
    with pytest.raises(InvalidError, match="no signature by its key"):
        check_policy(read("log LOG\nquorum none\n"), sign_note(text, log.vkey.name, b"x" * 32))


def test_either_of_two_keys_of_one_log_counts(log: Any) -> None:
    name, text = log.vkey.name, log.note(9).split("\n\n")[0] + "\n"
    later = log_vkey(name, b"x" * 32)
    policy = Policy(logs=(PolicyLog(log.vkey), PolicyLog(later)), witnesses=(), groups=(), quorum=NONE)
    check_policy(policy, log.note(9))
    check_policy(policy, sign_note(text, name, b"x" * 32))


def test_a_line_of_a_known_witness_that_does_not_verify_refuses_the_checkpoint(read: Any, log: Any) -> None:
    policy = read("log LOG\nwitness a W0\nquorum none\n")
    moved = add_signatures(log.note(9), cosign(log.note(8), "bolt/w", sha256(b"bolt/w").digest(), 1))
    with pytest.raises(InvalidError):
        check_policy(policy, moved)


def test_checkpoints_with_extension_lines_count(read: Any, log: Any) -> None:
    text = log.note(9).split("\n\n")[0] + "\nanything\n"
    check_policy(read("log LOG\nquorum none\n"), sign_note(text, log.vkey.name, log.seed))


def ml_dsa_vkey(name: str, length: int = 1312) -> str:
    material = b"\x06" + bytes(length)
    key_id = sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    return f"{name}+{key_id}+{b64encode(material).decode()}"


def test_a_witness_with_a_post_quantum_key_may_stand_there_and_never_counts(read: Any, log: Any) -> None:
    policy = read(f"witness a W0\nwitness b {ml_dsa_vkey('later.example')}\ngroup g any a b\nquorum g\n")
    assert policy.vkeys == [policy.witnesses[0].vkey]
    assert list(policy_cosignatures(policy, log.cosigned(9, "bolt/w"))) == ["a"]
    assert parse_policy(format_policy(policy)) == policy


@pytest.mark.parametrize(
    "key", [ml_dsa_vkey("x", 1311), ml_dsa_vkey("x").replace("x+", "y+", 1), ml_dsa_vkey("")]
)
def test_a_post_quantum_key_in_another_form_is_refused(key: str) -> None:
    with pytest.raises(MalformedError):
        parse_policy(f"witness b {key}\nquorum b\n")


@given(st.data())
def test_a_policy_with_any_byte_changed_is_refused_or_says_something_else(read: Any, data: Any) -> None:
    raw = format_policy(read(EXAMPLE)).encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != raw[place]))
    changed = raw[:place] + bytes([byte]) + raw[place + 1 :]
    try:
        policy = parse_policy(changed)
    except MalformedError:
        return
    # A tab may stand for a space, and a # or a line feed for what a line said; all else shows.
    assert policy != parse_policy(raw) or {raw[place], byte} == {0x20, 0x09}


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        policy = parse_policy(data)
    except TallyError:
        return
    assert parse_policy(format_policy(policy)) == policy
