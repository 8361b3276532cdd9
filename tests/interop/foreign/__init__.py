"""A verifier that knows only the public formats: it imports nothing of this project.

Written from `docs/format.md`, `docs/contract-language.md` and the C2SP specifications signed-note,
tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof and tlog-policy alone, with the standard library and
`cryptography` for Ed25519. It verifies

- a whole log served as tiles, over HTTP or from a folder: `verify_log`
- a receipt file, with the content in it where there is some: `verify_receipt`, `verify_receipt_by_policy`
- statements: form, people's signatures, nonces: `verify_statement`, `verify_statements`
- a network's keys over time, from its entries: `Network`
- evidence of every kind: `verify_evidence`
- a bundle of whole logs and single entries: `verify_bundle`
- agreements' documents and decisions: `check_document`, `check_decision`

Every function raises `Refused` where something does not hold. The folder can be handed to somebody as it is.
As a program:

    python foreign log URL-OR-FOLDER VKEY [WITNESS-VKEY...]
    python foreign receipt FILE VKEY [WITNESS-VKEY...]
    python foreign policy FILE POLICY
    python foreign evidence FOLDER
    python foreign bundle FILE

where all witness keys that are given must have cosigned, and `policy` reads a receipt. URL or folder is the
one that holds `checkpoint` and `tile/`. Exit code 0 says that everything holds, 1 that something does not.
"""

from .bundle import Bundle, verify_bundle
from .decision import (
    agreement_hash,
    check_decision,
    check_document,
    decision_hash,
    inputs_hash,
    outcome_hash,
)
from .encoding import Refused, check_map, read_base64, read_map, read_msgpack, write_msgpack
from .evidence import Evidence, verify_body, verify_evidence, verify_fork, verify_fork_of_entries
from .log import Entry, check_chain, read_entry, verify_log
from .network import Network, check_opening, network_id, words
from .note import Head, Vkey, make_vkey, read_note, read_vkey, verify_checkpoint
from .policy import Policy, read_policy, verify_by_policy, verify_receipt_by_policy
from .program import fetcher, main
from .receipt import Receipt, check_payload, verify_receipt
from .signature import check_public_key, check_signature
from .statement import check_people, key_id, verify_statement, verify_statements, write_nonce
from .tree import check_inclusion, leaf_hash, tree_hash

__all__ = [
    "Bundle", "Entry", "Evidence", "Head", "Network", "Policy", "Receipt", "Refused", "Vkey",
    "agreement_hash", "check_chain", "check_decision", "check_document", "check_inclusion", "check_map",
    "check_opening", "check_payload", "check_people", "check_public_key", "check_signature", "decision_hash",
    "fetcher", "inputs_hash", "key_id", "leaf_hash", "main", "make_vkey", "network_id", "outcome_hash",
    "read_base64", "read_entry", "read_map", "read_msgpack", "read_note", "read_policy", "read_vkey",
    "tree_hash", "verify_body", "verify_bundle", "verify_by_policy", "verify_checkpoint", "verify_evidence",
    "verify_fork", "verify_fork_of_entries", "verify_log", "verify_receipt", "verify_receipt_by_policy",
    "verify_statement", "verify_statements", "words", "write_msgpack", "write_nonce",
]  # fmt: skip
