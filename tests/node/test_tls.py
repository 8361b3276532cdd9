"""Pinned TLS over real sockets: the right certificate connects, everything else is refused."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger.errors import InvalidError, MalformedError, TallyError, TooLargeError
from ledger.log.signature import public_key
from node.tls import check_certificate, client_context, make_certificate, server_context

SEED = bytes(range(32))
ORIGIN = "acme/0123456789abcdef"
HOSTS = ("127.0.0.1", "::1", "acme.example")
CERTIFICATE = make_certificate(SEED, ORIGIN, HOSTS)


@contextmanager
def listening(context: ssl.SSLContext) -> Iterator[tuple[str, int]]:
    """A server that greets whoever gets through the handshake."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    done = threading.Event()

    def greet() -> None:
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(5)
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.sendall(b"hello")
            except OSError:
                connection.close()

    thread = threading.Thread(target=greet)
    thread.start()
    try:
        yield listener.getsockname()[:2]
    finally:
        done.set()
        thread.join()
        listener.close()


def greeting(address: tuple[str, int], context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="any.example") as secure,
    ):
        assert secure.version() == "TLSv1.3"
        return secure.recv(100)


def authority(subject: str) -> bytes:
    """A certificate that may sign others."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(key, None).public_bytes(Encoding.DER)


def test_the_same_inputs_make_the_same_certificate() -> None:
    assert make_certificate(SEED, ORIGIN, HOSTS) == CERTIFICATE
    assert make_certificate(SEED, ORIGIN, HOSTS[:1]) != CERTIFICATE
    assert make_certificate(SEED, "bolt/0123456789abcdef", HOSTS) != CERTIFICATE


def test_a_certificate_says_what_it_should() -> None:
    certificate = x509.load_der_x509_certificate(CERTIFICATE)
    assert certificate.subject.rfc4514_string() == f"CN={ORIGIN}"
    assert certificate.not_valid_before_utc.year == 2000
    assert certificate.not_valid_after_utc.date() == datetime.date(9999, 12, 31)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == list(HOSTS)
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize("hosts", [(), ("a",) * 17, ("münchen.example",)])
def test_hosts_that_no_certificate_can_name_are_refused(hosts: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError):
        make_certificate(SEED, ORIGIN, hosts)


def test_the_pinned_certificate_connects() -> None:
    with listening(server_context(SEED, CERTIFICATE)) as address:
        assert greeting(address, client_context(CERTIFICATE)) == b"hello"


def test_it_also_connects_under_the_strictest_checks() -> None:
    """Python 3.13 turns these on for contexts that others make."""
    context = client_context(CERTIFICATE)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with listening(server_context(SEED, CERTIFICATE)) as address:
        assert greeting(address, context) == b"hello"


def test_another_key_under_the_same_subject_is_refused() -> None:
    other = make_certificate(bytes(32), ORIGIN, HOSTS)
    with (
        listening(server_context(bytes(32), other)) as address,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        greeting(address, client_context(CERTIFICATE))


def test_another_certificate_of_the_same_key_is_refused() -> None:
    other = make_certificate(SEED, ORIGIN, HOSTS[:1])
    with listening(server_context(SEED, other)) as address, pytest.raises(ssl.SSLCertVerificationError):
        greeting(address, client_context(CERTIFICATE))


def test_a_certificate_signed_by_the_pinned_one_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pinned = x509.load_der_x509_certificate(CERTIFICATE)
    signed = (
        x509.CertificateBuilder(
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]), issuer_name=pinned.subject
        )
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(pinned.not_valid_before_utc)
        .not_valid_after(pinned.not_valid_after_utc)
        .sign(Ed25519PrivateKey.from_private_bytes(SEED), None)
    )
    from_file = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = tmp_path / "chain.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
        + pinned.public_bytes(Encoding.PEM)
    )
    from_file.load_cert_chain(path)
    with listening(from_file) as address, pytest.raises(ssl.SSLCertVerificationError):
        greeting(address, client_context(CERTIFICATE))


def test_a_client_that_does_not_know_the_certificate_refuses() -> None:
    with listening(server_context(SEED, CERTIFICATE)) as address, pytest.raises(ssl.SSLCertVerificationError):
        greeting(address, ssl.create_default_context())


def test_older_tls_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening(server_context(SEED, CERTIFICATE)) as address, pytest.raises(ssl.SSLError):
        greeting(address, context)


def test_a_client_without_tls_is_refused() -> None:
    with (
        listening(server_context(SEED, CERTIFICATE)) as address,
        socket.create_connection(address, timeout=5) as plain,
    ):
        plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        with suppress(ConnectionResetError):
            assert b"hello" not in plain.recv(100)


def test_nothing_but_the_pin_is_trusted() -> None:
    assert client_context(CERTIFICATE).get_ca_certs(binary_form=True) in ([], [CERTIFICATE])
    assert client_context(CERTIFICATE).cert_store_stats()["x509"] == 1
    assert client_context(CERTIFICATE).verify_mode is ssl.CERT_REQUIRED


def test_the_key_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server_context(SEED, CERTIFICATE)
    assert os.listdir(tmp_path) == []


def test_the_key_is_never_on_disk_in_the_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = []

    def keep(path: str) -> None:
        seen.append((Path(path).read_bytes(), os.stat(path).st_mode & 0o777))

    monkeypatch.setattr(os, "unlink", keep)
    server_context(SEED, CERTIFICATE)
    content, mode = seen[0]
    assert b"ENCRYPTED PRIVATE KEY" in content
    assert b"BEGIN PRIVATE KEY" not in content
    assert mode == 0o600


def test_a_certificate_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidError):
        check_certificate(CERTIFICATE, public_key(bytes(32)), "bolt node.address")
    with pytest.raises(InvalidError):
        server_context(bytes(32), CERTIFICATE)


def test_an_authority_cannot_be_pinned() -> None:
    with pytest.raises(InvalidError, match="authority"):
        client_context(authority(ORIGIN))


def test_a_certificate_of_another_algorithm_cannot_be_pinned() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    der = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(InvalidError, match="another algorithm"):
        client_context(der)


def test_what_is_no_certificate_cannot_be_pinned() -> None:
    for junk in (b"", b"\x30", os.urandom(300), CERTIFICATE[:-1], CERTIFICATE + b"\0"):
        with pytest.raises(TallyError):
            client_context(junk)
    with pytest.raises(TooLargeError):
        client_context(bytes(9000))


def test_no_changed_byte_of_a_certificate_crashes() -> None:
    for position in range(len(CERTIFICATE)):
        changed = bytearray(CERTIFICATE)
        changed[position] ^= 0x55
        with suppress(TallyError):
            client_context(bytes(changed))
