"""TLS between nodes: a certificate for the node's own key, pinned by partners, and nothing else trusted.

The certificate is self-signed with the node's Ed25519 key and depends on nothing but key, origin and
hosts: subject and issuer are the origin, the hosts are its alternative names, it is valid from 2000-01-01
to 9999-12-31 (nothing here expires by itself), it may sign no other certificate, and its serial number is
the first 16 bytes, shifted right by one bit, of SHA-256 over
`tallystick certificate v1⏎ | public key | ⏎ | origin` and, for each host, `⏎ | host`.

A client trusts exactly the certificate in the partner's `node.address`: no system trust store, no host
names (a firm's address may change, its key stands in the roster).
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import secrets
import ssl
import tempfile
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.errors import InvalidError, MalformedError, TooLargeError, short
from ledger.log.signature import public_key

MAX_CERTIFICATE_BYTES = 8 * 1024
MAX_HOSTS = 16

_UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
_VALID_FROM = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_VALID_UNTIL = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)  # RFC 5280: no end


def make_certificate(seed: bytes, origin: str, hosts: Sequence[str]) -> bytes:
    """The DER bytes of the node's certificate, always the same for the same inputs."""
    if not 1 <= len(hosts) <= MAX_HOSTS:
        raise TooLargeError("certificate", found=f"{len(hosts)} hosts", expected=f"1 to {MAX_HOSTS}")
    public = public_key(seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, origin)])
    identifier = hashlib.sha256(public).digest()[:20]
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(Ed25519PublicKey.from_public_bytes(public))
        .serial_number(_serial(public, origin, hosts))
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signs_only(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier(identifier, None, None), critical=False)
    )
    return builder.sign(Ed25519PrivateKey.from_private_bytes(seed), None).public_bytes(Encoding.DER)


def check_certificate(der: bytes, node_key: bytes | None, where: str) -> None:
    """Whether a partner's certificate can be pinned: of the node key (where known), and no authority.

    A certificate that may sign others would make every certificate it signs pass for itself.
    """
    certificate = _load(der, where)
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidError(where, found="a key of another algorithm", expected="an Ed25519 key")
    if node_key is not None and key.public_bytes_raw() != node_key:
        raise InvalidError(where, found=f"key {short(key.public_bytes_raw())}", expected=short(node_key))
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, *_UNREADABLE) as error:
        raise InvalidError(where, found="no basic constraints", expected="a certificate of a node") from error
    if constraints.ca:
        raise InvalidError(where, found="a certificate authority", expected="a certificate of a node")


def server_context(seed: bytes, certificate_der: bytes) -> ssl.SSLContext:
    """TLS 1.3 with the node's certificate; no client certificates, since requests are signed."""
    check_certificate(certificate_der, public_key(seed), "own certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # nobody resumes sessions here
    context.set_alpn_protocols(["http/1.1"])
    password = secrets.token_bytes(32).hex().encode()
    key = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)
    )
    certificate = ssl.DER_cert_to_PEM_cert(certificate_der).encode()
    # The ssl module reads keys from files only. If we die before the removal, what stays behind is a file
    # of mode 0600 that is encrypted with a password nobody has.
    descriptor, path = tempfile.mkstemp(prefix="tallystick-")
    try:
        with open(descriptor, "wb") as file:
            file.write(key + certificate)
        context.load_cert_chain(path, password=password)
    finally:
        os.unlink(path)
    return context


def client_context(
    pinned_der: bytes, where: str = "pinned certificate", *, node_key: bytes | None = None
) -> ssl.SSLContext:
    """TLS 1.3 to the holder of exactly this certificate, which is of the node key where that is known."""
    check_certificate(pinned_der, node_key, where)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # starts with no trusted certificate at all
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    # The pinned certificate ends the chain though it is no authority. Assigned, not added to: the flags a
    # context begins with differ between Python versions.
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cadata=pinned_der)
    except ssl.SSLError as error:
        raise MalformedError(where, found="bytes OpenSSL does not read", expected="a certificate") from error
    return context


def _load(der: bytes, where: str) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise TooLargeError(
            where, found=f"{len(der)} bytes", expected=f"at most {MAX_CERTIFICATE_BYTES} bytes of certificate"
        )
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()  # read lazily; what is wrong inside shows here
    except _UNREADABLE as error:
        raise MalformedError(where, found="no certificate", expected="DER bytes of a certificate") from error
    except UnsupportedAlgorithm as error:
        raise InvalidError(where, found="a key of another algorithm", expected="an Ed25519 key") from error
    return certificate


def _serial(public: bytes, origin: str, hosts: Sequence[str]) -> int:
    parts = [public, origin.encode(), *(host.encode() for host in hosts)]
    digest = hashlib.sha256(b"tallystick certificate v1\n" + b"\n".join(parts)).digest()
    return max(1, int.from_bytes(digest[:16], "big") >> 1)


def _signs_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise MalformedError(
            "certificate", found=short(host), expected="a host name in ASCII or an address"
        ) from error
