"""Evidence that is forged, truncated, swapped, repeated or about somebody else: none of it may count."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, MissingError, TallyError
from ledger.log.checkpoint import cosign
from ledger.log.evidence import prove_fork_path
from ledger.log.evidence_files import (
    DESCRIPTION,
    FILES,
    PATH,
    VKEY,
    Evidence,
    Kind,
    entries_evidence,
    fork_evidence,
    format_body,
    format_evidence,
    parse_body,
    parse_evidence,
    witness_evidence,
)
from ledger.log.note import add_signatures, log_vkey, parse_note
from ledger.log.signature import public_key
from ledger.members.evidence import Proven, check_accused, check_evidence
from ledger.members.network import network_id
from ledger.members.rotation import seal_rotation

Files = dict[str, bytes]


def load(name: str) -> ModuleType:
    """A helper beside this file, since test folders are no packages."""
    found = sys.modules.get(name)
    if found is None:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        sys.modules[name] = found
        spec.loader.exec_module(found)
    return found


made = load("pieces")
PIECES: dict[str, Evidence] = made.every_piece()
NAMES = sorted(PIECES)


def proves(files: Files) -> Proven:
    return check_evidence(parse_evidence(files))


def refused(files: Files) -> bool:
    try:
        proves(files)
    except TallyError:
        return True
    return False


# What is true


@pytest.mark.parametrize("name", NAMES)
def test_a_true_piece_is_proven_from_its_files_alone(name: str) -> None:
    files = format_evidence(PIECES[name])
    assert parse_evidence(files) == PIECES[name]
    found = proves(files)
    assert found.kind == PIECES[name].kind
    assert found.fork.first != found.fork.second
    assert found.fork.origin in found.words or found.signer in found.words


@pytest.mark.parametrize("name", NAMES)
def test_a_true_piece_counts_against_the_member_that_it_names(name: str) -> None:
    check_accused(made.make_roster(), PIECES[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_piece_is_recorded_in_a_statement_and_read_back(name: str) -> None:
    body = format_body(PIECES[name])
    assert parse_body(body) == PIECES[name]
    with pytest.raises(InvalidError):
        parse_body({**body, "accused": "cord"})
    with pytest.raises(InvalidError):
        parse_body({**body, "form": "another"})


# Every byte


def ignored_lines(evidence: Evidence, name: str, data: bytes) -> Iterator[range]:
    """The places of signature lines that the reader does not know: of cosignatures in a log's notes."""
    if evidence.kind == Kind.WITNESS or not name.startswith(("a.", "b.")):
        return
    place = data.find("\n\n— ".encode())
    for line in data[place + 2 :].splitlines(keepends=True) if place >= 0 else ():
        start = data.index(line, place)
        if b"/witness " in line:
            yield range(start, start + len(line))


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_of_evidence_counts_but_those_of_lines_by_others(name: str) -> None:
    """A flip is refused; in a line by a key that is not the accused's it changes nothing that is proven."""
    files = format_evidence(PIECES[name])
    known = proves(files)
    unknown = 0
    for file, data in files.items():
        free = {place for span in ignored_lines(PIECES[name], file, data) for place in span}
        for place in range(len(data)):
            flipped = {**files, file: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]}
            if place in free:
                unknown += 1
                assert refused(flipped) or proves(flipped) == known
            else:
                assert refused(flipped), f"{file} byte {place}"
    assert bool(unknown) == (name in ("equal", "longer"))


@given(st.data())
@settings(max_examples=150)
def test_any_bytes_in_the_place_of_a_file_are_refused_in_words(data: Any) -> None:
    name = data.draw(st.sampled_from(NAMES))
    files = format_evidence(PIECES[name])
    file = data.draw(st.sampled_from(sorted(files)))
    content = data.draw(st.binary(max_size=300) | st.sampled_from(sorted(set(files.values()))))
    if content != files[file]:
        assert refused({**files, file: content})


@given(st.dictionaries(st.sampled_from([DESCRIPTION, *FILES[Kind.FORK], *FILES[Kind.OPENINGS]]), st.binary()))
def test_made_up_folders_are_refused_in_words(files: Files) -> None:
    assert refused(files)


# Truncated, swapped, repeated, foreign


@pytest.mark.parametrize("name", NAMES)
def test_truncated_evidence_is_refused(name: str) -> None:
    files = format_evidence(PIECES[name])
    for file, data in files.items():
        assert refused({other: content for other, content in files.items() if other != file})
        for end in range(0, len(data), 1 + len(data) // 40):
            cut = {**files, file: data[:end]}
            assert refused(cut) or end in [span.start for span in ignored_lines(PIECES[name], file, data)]


@pytest.mark.parametrize("name", NAMES)
def test_evidence_with_something_added_is_refused(name: str) -> None:
    files = format_evidence(PIECES[name])
    assert refused({**files, "more": b""})
    for file, data in files.items():
        for more in (b"\n", b" ", data or b"\n\n"):
            assert refused({**files, file: data + more})


@pytest.mark.parametrize("name", NAMES)
def test_swapped_evidence_is_refused(name: str) -> None:
    files = format_evidence(PIECES[name])
    first, second = FILES[PIECES[name].kind][:2]
    assert refused({**files, first: files[second], second: files[first]})


@pytest.mark.parametrize("name", NAMES)
def test_the_same_thing_told_twice_is_refused(name: str) -> None:
    files = format_evidence(PIECES[name])
    first, second = FILES[PIECES[name].kind][:2]
    assert refused({**files, first: files[second]})
    assert refused({**files, second: files[first]})


def test_one_head_with_other_cosignatures_is_no_second_head() -> None:
    one = made.history("one", 9)
    key = made.log_key()
    with pytest.raises(InvalidError, match="twice"):
        format_evidence(fork_evidence(one.note(9, "bolt"), one.note(9, "cord"), (), key, key))


def test_one_entry_with_and_without_its_payload_is_no_second_entry() -> None:
    one, key = made.history("one", 9), made.log_key()
    with pytest.raises(InvalidError, match="twice"):
        format_evidence(entries_evidence(one.receipt(3, 9), one.receipt(3, 8, shown=True), key, key))


def test_files_of_two_pieces_mixed_are_refused_or_a_piece_of_their_own() -> None:
    for one in NAMES:
        for other in NAMES:
            files, foreign = format_evidence(PIECES[one]), format_evidence(PIECES[other])
            for file in set(files) & set(foreign) - {DESCRIPTION}:
                mixed = {**files, file: foreign[file]}
                if mixed != files and not refused(mixed):
                    assert proves(mixed).fork.first != proves(mixed).fork.second, "as true as both"
                    assert file.startswith(("a.", "b."))


def test_evidence_that_names_another_log_is_refused() -> None:
    for name in NAMES:
        files = format_evidence(PIECES[name])
        value = json.loads(files[DESCRIPTION]) | {"origin": "cord/0123456789abcdef"}
        assert refused({**files, DESCRIPTION: json.dumps(value).encode() + b"\n"})


def test_another_form_of_the_description_is_refused() -> None:
    files = format_evidence(PIECES["equal"])
    value = json.loads(files[DESCRIPTION])
    for text in (
        json.dumps(value, separators=(",", ":")),
        json.dumps(value, sort_keys=True, indent=1),
        json.dumps({**value, "more": 1}),
        json.dumps({**value, "kind": "theft"}),
        json.dumps({**value, "origin": 7}),
        "[" * 5000,
        '{"format": "tallystick evidence v1", "kind": "fork", "origin": "\\ud800"}',
    ):
        with pytest.raises(MalformedError):
            parse_evidence({**files, DESCRIPTION: text.encode() + b"\n"})


# Evidence that accuses an honest log


def test_forged_evidence_under_a_key_of_ones_own_accuses_nobody() -> None:
    """The files hold together, and prove that somebody signed two things: not that it was acme."""
    thief = made.seed("thief")
    one, other = (made.history(told, 9, log_seed=thief) for told in ("one", "other"))
    vkey = log_vkey(made.ORIGIN, thief)
    forged = fork_evidence(one.note(9), other.note(9), (), vkey, vkey)
    assert proves(format_evidence(forged)).signer == made.ORIGIN
    with pytest.raises(InvalidError, match="another key"):
        check_accused(made.make_roster(), forged)


def test_forged_evidence_under_the_honest_key_is_refused() -> None:
    thief = made.seed("thief")
    one, other = made.history("one", 9), made.history("other", 9, log_seed=thief)
    key = made.log_key()
    with pytest.raises(InvalidError):
        proves(format_evidence(fork_evidence(one.note(9), other.note(9), (), key, key)))


@given(
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    witnesses=st.sets(st.sampled_from(["bolt", "cord"])),
)
@settings(max_examples=60)
def test_no_two_heads_of_an_honest_log_are_evidence(sizes: tuple[int, int], witnesses: set[str]) -> None:
    """Whatever two heads of one history somebody puts together, with the true path between them."""
    old, new = sorted(sizes)
    log, key = made.history("honest", new), made.log_key()
    path = () if old == new else tuple(prove_fork_path(log, old, new))
    witness = made.witness_key("bolt")
    pieces = (
        fork_evidence(log.note(old, *witnesses), log.note(new, *witnesses), path, key, key),
        witness_evidence(log.note(old, "bolt"), log.note(new, "bolt"), path, witness),
    )
    for piece in pieces:
        with pytest.raises(InvalidError, match="twice"):
            proves(format_evidence(piece))


@given(st.data())
@settings(max_examples=100)
def test_no_made_up_path_makes_evidence_of_an_honest_log(data: Any) -> None:
    old = data.draw(st.integers(1, 19))
    new = data.draw(st.integers(old + 1, 20))
    log, key = made.history("honest", 20), made.log_key()
    true = prove_fork_path(log, old, new)
    hashes = st.sampled_from([*true, *log.leaves, bytes(32)])
    path = tuple(data.draw(st.lists(hashes, max_size=len(true) + 1)))
    with pytest.raises(TallyError):
        proves(format_evidence(fork_evidence(log.note(old), log.note(new), path, key, key)))


@given(st.data())
@settings(max_examples=60)
def test_no_two_receipts_of_an_honest_log_are_evidence(data: Any) -> None:
    log, key = made.history("honest", 20), made.log_key()
    places = st.integers(0, 19).flatmap(lambda seq: st.tuples(st.just(seq), st.integers(seq + 1, 20)))
    one, other = data.draw(places), data.draw(places)
    with pytest.raises(InvalidError):
        proves(format_evidence(entries_evidence(log.receipt(*one), log.receipt(*other), key, key)))


def test_a_proof_for_another_log_is_no_evidence() -> None:
    one, key = made.history("one", 9), made.log_key()
    foreign = made.history("other", 9, origin=f"cord/{made.NETWORK[:8].hex()}")
    with pytest.raises(TallyError):
        proves(format_evidence(fork_evidence(one.note(9), foreign.note(9), (), key, key)))


def test_a_proof_for_another_size_is_no_evidence() -> None:
    one, other = made.history("one", 20, fork_at=7), made.history("other", 20, fork_at=7)
    key = made.log_key()
    for old, new in ((9, 19), (10, 20), (8, 20)):
        path = tuple(prove_fork_path(other, old, new))
        with pytest.raises(InvalidError):
            proves(format_evidence(fork_evidence(one.note(9), other.note(20), path, key, key)))


def test_a_proof_of_another_network_of_the_same_name_accuses_nobody_here() -> None:
    """Two networks of one name: the same firms under the same keys; only the ids differ."""
    elsewhere = made.make_founding(b"another network.")
    assert network_id(elsewhere) != made.NETWORK
    for evidence in PIECES.values():
        with pytest.raises((MissingError, InvalidError)):
            check_accused(made.make_roster(elsewhere), evidence)


# Keys over time


def rotated(roster: Any, at_s: int) -> Any:
    """Acme gives its log and its cosignatures new keys."""
    body = seal_rotation(
        made.ORIGIN,
        before=made.member_keys("acme"),
        after=made.member_keys("acme", " new"),
        old_seed=made.seed("acme log"),
        new_seed=made.seed("acme log new"),
    )
    return made.fold(roster, made.ORIGIN, 12, "keys.rotate", body, time_ms=at_s * 1000)


def test_a_note_made_today_under_a_superseded_key_accuses_nobody() -> None:
    """Whoever stole yesterday's key can sign any history with it."""
    roster = rotated(made.make_roster(), made.TIME_S)
    one, other = made.history("true", 9), made.history("stolen", 9)
    key = made.log_key()
    forged = fork_evidence(one.note(9, "bolt", "cord"), other.note(9), (), key, key)
    assert proves(format_evidence(forged)).kind == Kind.FORK
    with pytest.raises(InvalidError, match="superseded"):
        check_accused(roster, forged)


def test_a_note_witnessed_after_the_rotation_accuses_nobody() -> None:
    roster = rotated(made.make_roster(), made.TIME_S)
    one, other, key = made.history("true", 9), made.history("late", 9), made.log_key()
    late = fork_evidence(
        one.note(9, "bolt", "cord"), other.note(9, "bolt", "cord", time_s=made.TIME_S + 1), (), key, key
    )
    with pytest.raises(InvalidError, match="superseded"):
        check_accused(roster, late)


def test_two_notes_witnessed_before_the_rotation_stay_evidence() -> None:
    roster = rotated(made.make_roster(), made.TIME_S)
    one, other, key = made.history("true", 9), made.history("other", 9), made.log_key()
    check_accused(
        roster, fork_evidence(one.note(9, "bolt", "cord"), other.note(9, "bolt", "cord"), (), key, key)
    )


def test_a_fork_across_a_rotation_names_both_keys() -> None:
    roster = rotated(made.make_roster(), made.TIME_S)
    one, other = made.history("true", 20), made.history("other", 20)
    new_seed = made.seed("acme log new")
    path = tuple(prove_fork_path(other, 9, 20))
    evidence = fork_evidence(
        one.note(9, "bolt", "cord"),
        other.note(20, log_seed=new_seed),
        path,
        made.log_key(),
        log_vkey(made.ORIGIN, new_seed),
    )
    files = format_evidence(evidence)
    assert files[VKEY].count(b"\n") == 2
    assert proves(files).fork.place == 9
    check_accused(roster, evidence)
    first, second = files[VKEY].splitlines(keepends=True)
    assert refused({**files, VKEY: second + first})
    assert refused({**files, VKEY: first + first})
    assert refused({**files, VKEY: first})


def test_cosignatures_under_a_superseded_witness_key_accuse_nobody() -> None:
    """Only the witness says when it cosigned; whoever stole the key may write any time."""
    roster = rotated(made.make_roster(), made.TIME_S)
    one, other = (made.history(told, 9) for told in ("one", "other"))
    evidence = witness_evidence(one.note(9, "acme"), other.note(9, "acme"), (), made.witness_key("acme"))
    check_accused(made.make_roster(), evidence)
    with pytest.raises(InvalidError, match="another key"):
        check_accused(roster, evidence)


# Witnesses


def test_a_witness_that_cosigns_without_state_is_proven_by_its_own_lines() -> None:
    """It cosigned whatever it was shown; the log's own key need not even have signed."""
    one, other = made.history("one", 9), made.history("other", 9, log_seed=made.seed("thief"))
    evidence = witness_evidence(one.note(9, "bolt"), other.note(9, "bolt"), (), made.witness_key("bolt"))
    found = proves(format_evidence(evidence))
    assert found.signer == made.witness_key("bolt").name
    assert found.times_s == (made.TIME_S, made.TIME_S)


def test_a_cosignature_of_another_witness_accuses_nobody() -> None:
    one, other = (made.history(told, 9) for told in ("one", "other"))
    with pytest.raises(InvalidError, match="no cosignature"):
        witness_evidence(one.note(9, "bolt"), other.note(9, "cord"), (), made.witness_key("bolt"))


def test_cosignatures_of_two_logs_accuse_nobody() -> None:
    one = made.history("one", 9)
    other = made.history("other", 9, origin=f"cord/{made.NETWORK[:8].hex()}")
    evidence = witness_evidence(one.note(9, "bolt"), other.note(9, "bolt"), (), made.witness_key("bolt"))
    with pytest.raises(InvalidError):
        proves(format_evidence(evidence))


def test_a_discredited_witness_counts_no_more_for_anybody_and_others_do() -> None:
    roster = made.make_roster()
    assert roster.witnesses("acme") == ("bolt", "cord")
    for recorder in (made.ORIGIN, f"cord/{made.NETWORK[:8].hex()}"):
        after = made.fold(roster, recorder, 30, "evidence.files", format_body(PIECES["witness"]))
        assert after.witnesses("acme") == ("cord",)
        assert after.witnesses_needed("acme") == 1
        assert after.witnesses("cord") == ("acme",)


def test_forged_evidence_discredits_no_witness() -> None:
    roster = made.make_roster()
    body = format_body(PIECES["witness"])
    files: Any = body["files"]
    forged = {**files, "b.checkpoint": files["b.checkpoint"].replace("\n9\n", "\n8\n")}
    for wrong in ({**body, "files": forged}, {**body, "files": {}}, {**body, "accused": "cord"}):
        assert made.fold(roster, made.ORIGIN, 30, "evidence.files", wrong) == roster


def test_evidence_against_a_log_discredits_no_witness() -> None:
    roster = made.make_roster()
    body = format_body(PIECES["entries"])
    assert made.fold(roster, made.ORIGIN, 30, "evidence.files", body) == roster


# Openings


def test_one_opening_twice_is_no_evidence() -> None:
    piece = PIECES["openings"]
    with pytest.raises(InvalidError, match="twice"):
        format_evidence(replace(piece, second=piece.first))


def test_openings_under_another_recovery_key_accuse_nobody() -> None:
    piece = replace(PIECES["openings"], recovery=bytes(32))
    with pytest.raises(InvalidError, match="recovery key"):
        check_evidence(piece)


def test_openings_that_hide_what_they_say_are_refused() -> None:
    piece = PIECES["openings"]
    hidden = made.opened(" 2").receipt(0, 1)
    with pytest.raises(TallyError):
        check_evidence(replace(piece, first=hidden))


def test_an_opening_signed_by_another_log_key_accuses_nobody() -> None:
    other = replace(made.opened(" 4"), log_seed=made.seed("thief"))
    receipts = [other.receipt(0, 1, shown=True), made.opened(" 2").receipt(0, 1, shown=True)]
    with pytest.raises(InvalidError):
        check_evidence(made.openings_evidence(*receipts, PIECES["openings"].recovery))


def test_the_recovery_key_of_another_firm_accuses_nobody() -> None:
    piece = PIECES["openings"]
    roster = made.make_roster()
    check_accused(roster, piece)
    assert public_key(made.seed("acme recovery")) != public_key(made.seed("bolt recovery"))
    with pytest.raises(InvalidError, match="recovery"):
        check_accused(roster, replace(piece, recovery=roster.member("acme").keys.recovery))


def test_a_second_line_of_the_witness_does_not_hide_the_first() -> None:
    one, other = (made.history(told, 9) for told in ("one", "other"))
    key = made.witness_key("bolt")
    again = add_signatures(
        one.note(9, "bolt"), cosign(one.note(9), key.name, made.seed("bolt witness"), made.TIME_S + 5)
    )
    evidence = witness_evidence(again, other.note(9, "bolt"), (), key)
    files = format_evidence(evidence)
    assert all(len(parse_note(files[name]).signatures) == 1 for name in FILES[Kind.WITNESS][:2])
    assert files[PATH] == b""
    both = {**files, "a.checkpoint": again.encode(), "b.checkpoint": other.note(9, "bolt").encode()}
    assert refused(both)
