"""The settings of a node: environment over `config.toml` in the home over defaults.

A setting `name` is read from the variable `TALLY_NAME`, else from the line `name = …` of `config.toml`,
else its default holds. The unit stands in the name: `_s` seconds, `_bytes` bytes, `_per_s` per second.
An unknown line in the file is refused; a passphrase is no setting and never stands in the file.
"""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ledger.errors import MalformedError, TallyError, TooLargeError, UsageError, short
from ledger.log.note import COSIGNATURE, ED25519, VerifierKey, parse_vkey

CONFIG_FILE = "config.toml"
ENV_PREFIX = "TALLY_"
MAX_CONFIG_BYTES = 64 * 1024
MIB = 1024 * 1024
MAX_WITNESSED_LOGS = 10_000
MAX_OUTSIDE_WITNESSES = 32
MAX_VKEY_CHARS = 1024


def _log_key(text: str) -> str:
    return _checked_key(text, ED25519, "a log's, type 0x01")


def _witness_key(text: str) -> str:
    return _checked_key(text, COSIGNATURE, "a witness's, type 0x04")


def _checked_key(text: str, key_type: int, what: str) -> str:
    try:
        key = parse_vkey(text)
    except TallyError as error:
        raise ValueError(f"a vkey: {error}") from error
    if key.key_type != key_type:
        raise ValueError(f"a key of {what}")
    return text


def _url_prefix(url: str) -> str:
    parts = urlsplit(url)
    plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    if not plain or parts.query or parts.fragment or parts.username:
        raise ValueError("must be http://host[:port][/path] or https://host[:port][/path]")
    return url.rstrip("/")


def _each_key_once(witnesses: tuple[OutsideWitness, ...]) -> tuple[OutsideWitness, ...]:
    # One transport tells them apart by name, and one table by key.
    for part in ({each.key.public_key for each in witnesses}, {each.key.name for each in witnesses}):
        if len(part) < len(witnesses):
            raise ValueError("must name each witness and each key once")
    return witnesses


class WitnessedLog(BaseModel):
    """A log outside the network that this node cosigns; several with one origin are its several keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vkey: Annotated[str, AfterValidator(_log_key)] = Field(max_length=MAX_VKEY_CHARS)
    origin: str = Field("", max_length=MAX_VKEY_CHARS)

    @property
    def key(self) -> VerifierKey:
        """The key that signs its checkpoints."""
        return parse_vkey(self.vkey)

    @property
    def named(self) -> str:
        """The first line of its checkpoints: the name of its key, where nothing else is said."""
        return self.origin or self.key.name


class OutsideWitness(BaseModel):
    """A witness outside the network that is asked to cosign the own log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vkey: Annotated[str, AfterValidator(_witness_key)] = Field(max_length=MAX_VKEY_CHARS)
    url: Annotated[str, AfterValidator(_url_prefix)] = Field(max_length=512)
    interval_s: float = Field(10, ge=0, le=86_400)

    @property
    def key(self) -> VerifierKey:
        """The key of its cosignatures."""
        return parse_vkey(self.vkey)


class Witnessing(BaseModel):
    """What this node does as a witness, and whom it asks to be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    logs: tuple[WitnessedLog, ...] = Field((), max_length=MAX_WITNESSED_LOGS)
    ask: Annotated[tuple[OutsideWitness, ...], AfterValidator(_each_key_once)] = Field(
        (), max_length=MAX_OUTSIDE_WITNESSES
    )


class Settings(BaseSettings):
    """One node's settings; every description says what it is and why it exists."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        max_length=253,
        description="Address that the node listens on. Loopback, so that a fresh node is reachable from "
        "nowhere else until its operator decides so; 0.0.0.0 or :: means every address.",
    )
    port: int = Field(
        8440, ge=0, le=65535, description="Port that the node listens on; 0 takes a free one, for tests."
    )
    url: str | None = Field(
        None,
        max_length=512,
        description="Address that partners call, as https://host:port. Derived from host and port where "
        "empty; set it where partners know the node by another name or through a proxy.",
    )
    tls: bool = Field(
        True,
        description="Whether the node speaks TLS with its own pinned certificate. Turn it off only behind "
        "a proxy that does; requests between members stay signed either way.",
    )
    seen_interval_s: float = Field(
        60,
        gt=0,
        le=86_400,
        description="Least time between two `seen` entries. They record partners' heads; more often proves "
        "times more closely and lengthens the log.",
    )
    sync_interval_s: float = Field(
        10,
        gt=0,
        le=86_400,
        description="Time between two exchanges of heads with each partner. News are pushed at once; this "
        "finds what a push missed, and forks.",
    )
    max_sync_body_bytes: int = Field(
        8 * MIB,
        ge=2 * MIB,
        le=64 * MIB,
        description="Largest body of a request from a partner, and largest batch that this node asks for. "
        "Keeps one partner from filling the memory.",
    )
    max_body_bytes: int = Field(
        2 * MIB,
        ge=64 * 1024,
        le=64 * MIB,
        description="Largest body of any other request. A payload is at most 1 MiB; the rest is its frame.",
    )
    max_buffered_bytes: int = Field(
        128 * MIB,
        ge=16 * MIB,
        description="Bodies of all requests in flight together. Many callers at once get 503 instead of "
        "filling the memory.",
    )
    max_header_bytes: int = Field(
        16 * 1024,
        ge=2 * 1024,
        le=256 * 1024,
        description="Request line and headers of one request. Signed requests need less than 2 KiB.",
    )
    max_clock_skew_s: int = Field(
        300,
        ge=1,
        le=3600,
        description="How far a partner's clock may differ from this one's. Signed requests from further "
        "off are refused, and a node further off from its partners does not write.",
    )
    idle_timeout_s: float = Field(
        30,
        gt=0,
        le=3600,
        description="How long an open connection may send nothing before it is closed. Connections that "
        "nobody uses would otherwise use up the places of others.",
    )
    header_timeout_s: float = Field(
        10,
        gt=0,
        le=600,
        description="How long request line and headers (and the TLS handshake) may take. Ends callers who "
        "send one byte now and then to hold a connection.",
    )
    body_timeout_s: float = Field(
        15,
        gt=0,
        le=600,
        description="How long a body may take on top of one second for each min_body_bytes_per_s. Ends "
        "callers who send half a body.",
    )
    min_body_bytes_per_s: int = Field(
        32 * 1024, ge=1, description="Slowest body that is waited for. Lower it for partners on thin lines."
    )
    request_timeout_s: float = Field(
        60,
        gt=0,
        le=3600,
        description="How long the node works on one request before it answers 503. A request that hangs "
        "would hold its place for ever.",
    )
    partner_timeout_s: float = Field(
        30,
        gt=0,
        le=600,
        description="How long this node waits for a partner's answer. A silent partner harms only itself; "
        "the next try follows.",
    )
    shutdown_timeout_s: float = Field(
        10,
        gt=0,
        le=600,
        description="How long requests in flight may go on after SIGTERM. Keep it below the time after "
        "which the service manager kills.",
    )
    max_connections: int = Field(
        512, ge=1, le=65_536, description="Open connections together; more are answered 503 and closed."
    )
    max_connections_per_client: int = Field(
        256,
        ge=1,
        le=65_536,
        description="Open connections from one address, so that one caller cannot take every place. A proxy "
        "counts as one address.",
    )
    partner_requests_per_s: float = Field(
        500,
        gt=0,
        description="Requests per second to the partners' and public paths from one address, after a burst. "
        "More are answered 429. Partners push once per commit, so it is generous.",
    )
    partner_burst: int = Field(
        1000, ge=1, description="Requests from one address that may come at once before that rate counts."
    )
    witness: Witnessing = Field(
        Witnessing(),
        description="Logs outside the network that this node cosigns (`[[witness.logs]]`), and outside "
        "witnesses that it asks to cosign its own (`[[witness.ask]]`); see Witnesses below.",
    )
    log_json: bool = Field(
        False,
        description="Whether logs are one JSON object per line, for machines, instead of text for people.",
    )
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="Least severity that is logged: debug, info, warning or error.",
    )

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
        if not plain or parts.query or parts.fragment or parts.username or (parts.port == 0):
            raise ValueError("must be http://host[:port] or https://host[:port]")
        return url.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what `load_settings` passes in from the file."""
        return env_settings, init_settings

    def address(self, port: int) -> str | None:
        """What partners call when the node listens on `port`; None where that cannot be derived."""
        if self.url is not None:
            return self.url
        host = self.host
        if is_wildcard(host):
            return None
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class Described(NamedTuple):
    """One setting, as `docs/operating.md` lists it."""

    name: str
    env: str
    default: str
    why: str


def is_wildcard(host: str) -> bool:
    """Whether a listening address means every address of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def describe_settings() -> list[Described]:
    """Every setting in order, with its variable, default and reason."""
    return [
        Described(name, ENV_PREFIX + name.upper(), _plain(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def load_settings(home: Path) -> Settings:
    """The settings of the node whose home this is."""
    path = home / CONFIG_FILE
    try:
        return Settings(**_read_config(path))
    except ValidationError as error:
        raise _refusal(path, error) from error


def _plain(value: object) -> str:
    if value is None or value == Witnessing():
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _read_config(path: Path) -> dict[str, Any]:
    where = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(where, found=error.strerror or "cannot be read", expected="a file") from error
    if len(data) > MAX_CONFIG_BYTES:
        raise TooLargeError(where, found="a larger file", expected=f"at most {MAX_CONFIG_BYTES} bytes")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise MalformedError(
            where,
            found=short(str(error), 120),
            expected="lines such as port = 8440",
            action=f"Correct {path} or move it away.",
        ) from error


def _refusal(path: Path, error: ValidationError) -> TallyError:
    """The first complaint of pydantic in our words; the value itself may be long and is cut."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"])) or "settings"
    if first["type"] == "extra_forbidden":
        return UsageError(
            f"{path} {name}",
            found="no setting of this name",
            expected="a name from docs/operating.md",
            action="Correct the name or remove the line.",
        )
    return UsageError(
        f"setting {name}",
        found=short(first["input"]),
        expected=first["msg"],
        action=f"Correct {ENV_PREFIX}{name.partition('.')[0].upper()} or the line {name} in {path}.",
    )
