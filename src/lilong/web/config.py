"""Every setting of a hub: from `LILONG_*` in the environment, else from `settings.toml` in its home folder."""

import os
import tomllib
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.time import find_zone

EVERYWHERE = {"", "0.0.0.0", "[::]"}  # noqa: S104 - how an address that takes all is known
HAS_SAML = find_spec("onelogin") is not None


class SettingsInvalid(InputInvalid):
    """A setting has a wrong name or value, or settings.toml is no TOML."""

    code = "hub.settings_invalid"
    title = "The hub's settings are not valid"
    next_step = "Correct them in `settings.toml` of the hub's home, or in the environment as LILONG_…."


def _home_from_environment() -> Path:
    return Path(os.environ.get("LILONG_HOME", "lilong-home")).resolve()


def _url_of(bind: str) -> str:
    """Return the address at which a browser on this machine reaches what listens on HOST:PORT.

    >>> _url_of("127.0.0.1:8001"), _url_of("0.0.0.0:80"), _url_of("unix:/run/hub.sock")
    ('http://127.0.0.1:8001', 'http://127.0.0.1:80', 'http://127.0.0.1:8000')
    """
    host, _, port = bind.rpartition(":")
    if not port.isdecimal():
        return "http://127.0.0.1:8000"
    return f"http://{'127.0.0.1' if host in EVERYWHERE else host}:{port}"


class OidcProvider(BaseModel):
    """Another organisation's sign-in that people of the hub may use, by OpenID Connect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Part of addresses; never change it.")
    name: str = Field(min_length=1, max_length=80, description="What people know it by.")
    server_url: str = Field(pattern=r"^https?://", description="The issuer's address.")
    client_id: str = Field(min_length=1, description="The hub's name there.")
    client_secret_file: Path = Field(description="File that holds the hub's secret there.")
    trusts_email: bool = Field(default=False, description="Whether its word that an address is verified is enough.")
    email_claim: str = Field(default="email", description="Claim that holds the email address.")
    email_verified_claim: str = Field(default="email_verified", description="Claim that says it was verified.")
    name_claim: str = Field(default="name", description="Claim that holds the person's name.")


class SamlProvider(BaseModel):
    """Another organisation's sign-in that people of the hub may use, by SAML 2.0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Part of addresses; never change it.")
    name: str = Field(min_length=1, max_length=80, description="What people know it by.")
    entity_id: str = Field(pattern=r"^[^\s'\"<>]+$", max_length=1024, description="The sign-in's entity id.")
    metadata_file: Path | None = Field(default=None, description="File with the sign-in's metadata.")
    metadata_url: str = Field(
        default="",
        pattern=r"^$|^https://|^http://(127\.0\.0\.1|localhost)[:/]",
        description="Or the https address of the metadata, which the hub then reads again every hour.",
    )
    key_file: Path | None = Field(
        default=None,
        description="File with the hub's private key: then requests are signed, answers may be encrypted.",
    )
    certificate_file: Path | None = Field(default=None, description="File with the certificate of that key.")
    trusts_email: bool = Field(default=False, description="Whether its word is enough that an address is the person's.")
    subject_attributes: tuple[str, ...] = Field(
        default=(
            "urn:oasis:names:tc:SAML:attribute:subject-id",
            "urn:oasis:names:tc:SAML:attribute:pairwise-id",
            "urn:oid:1.3.6.1.4.1.5923.1.1.1.13",
            "http://schemas.microsoft.com/identity/claims/objectidentifier",
            "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarysid",
        ),
        description="Attributes that hold the person's lasting id, the first that is sent counts; if none is, a "
        "persistent NameID does. `NameID` in this list takes every NameID but a transient one.",
    )
    email_attributes: tuple[str, ...] = Field(
        default=(
            "urn:oid:0.9.2342.19200300.100.1.3",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        ),
        description="Attributes that hold the email address, in this order.",
    )
    name_attributes: tuple[str, ...] = Field(
        default=(
            "urn:oid:2.16.840.1.113730.3.1.241",
            "http://schemas.microsoft.com/identity/claims/displayname",
            "urn:oid:2.5.4.3",
            "http://schemas.xmlsoap.org/claims/CommonName",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
        ),
        description="Attributes that hold the person's name, in this order.",
    )

    @model_validator(mode="after")
    def _require_pairs(self) -> "SamlProvider":
        if (self.metadata_file is None) == (not self.metadata_url):
            raise ValueError("Give metadata_file or metadata_url, and not both.")
        if (self.key_file is None) != (self.certificate_file is None):
            raise ValueError("Give key_file and certificate_file, or neither.")
        return self


class CreditRate(BaseModel):
    """What a credit is worth in a currency, from a moment on until the next rate begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = Field(pattern=r"^[A-Z]{3}$", description="Three letters of ISO 4217, such as CNY.")
    per_credit: Decimal = Field(
        gt=0, le=1_000_000, decimal_places=6, description="Units of the currency that one credit is worth."
    )
    valid_from: AwareDatetime = Field(description="Moment from which it counts.")
    source: str = Field(min_length=1, max_length=200, description="Who decided it, where and when.")
    is_example: bool = Field(default=False, description="Whether it is made up; papers then say so.")


class Settings(BaseSettings):
    """Settings of one hub. Every field is described in docs/reference/settings.md, generated from here."""

    model_config = SettingsConfigDict(env_prefix="LILONG_", extra="forbid", frozen=True)

    home: Path = Field(default_factory=_home_from_environment, description="Folder of the database, keys and objects.")
    database_url: str = Field(default="", description="postgresql://… or sqlite:////path; empty: SQLite in the home.")
    bind: str = Field(default="127.0.0.1:8000", description="Address and port that the web process listens on.")
    public_url: str = Field(
        default_factory=lambda given: _url_of(given.get("bind", "")),
        description="Address under which people reach the hub; by default that of `bind`.",
    )
    hub_name: str = Field(default="Lilong", description="Name of the hub, shown to people and in signed documents.")
    time_zone: str = Field(
        default="UTC", description="Where days of the bank and years of voucher rules begin, as Asia/Shanghai."
    )
    allowed_hosts: tuple[str, ...] = Field(default=("127.0.0.1", "localhost"), description="Accepted Host headers.")
    web_threads: int = Field(default=16, ge=2, le=256, description="Threads of the web process.")
    web_streams: int = Field(
        default=48, ge=0, le=1000, description="Pages that may watch live at once; each has a thread beside the others."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    style_page: bool = Field(default=False, description="Show /style, the page of all parts that pages are made of.")
    stall_timeout_s: int = Field(default=30, ge=1, description="Seconds that a caller may send or take nothing.")
    outbox_delivery: bool = Field(default=True, description="Deliver events at once; off: reconcilers find all work.")
    object_quota_bytes: int = Field(default=50 * 1024**3, ge=0, description="Most bytes that one organisation stores.")
    object_retention_days: int = Field(default=30, ge=1, description="Days that an object nobody uses or holds stays.")
    object_grace_hours: int = Field(default=24, ge=1, description="Hours from an object's last owner to its deletion.")
    objects_url: str = Field(
        default="",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?)?$",
        description="s3://BUCKET/PREFIX where objects are kept; empty: the folder `objects` in the home.",
    )
    objects_endpoint_url: str = Field(
        default="", pattern=r"^(https?://.+)?$", description="Address of the S3-compatible store; empty: Amazon's."
    )
    objects_region: str = Field(default="us-east-1", min_length=1, description="Region of the bucket.")
    objects_timeout_s: int = Field(default=20, ge=1, le=600, description="Seconds that the store may take to answer.")
    storage_reserve_bytes: int = Field(default=512 * 1024**2, ge=0, description="Disk space that uploads leave free.")

    session_days: int = Field(default=14, ge=1, le=90, description="Days that a browser stays signed in.")
    trusted_proxies: int = Field(
        default=0, ge=0, le=8, description="Proxies before the hub that set X-Forwarded-For and X-Forwarded-Proto."
    )
    second_factor_wait_hours: int = Field(
        default=48, ge=1, le=720, description="Hours from an operator's yes until a lost second factor is removed."
    )
    oidc_providers: tuple[OidcProvider, ...] = Field(
        default=(), description="Other sign-ins by OpenID Connect, each a table `[[oidc_providers]]`."
    )
    saml_providers: tuple[SamlProvider, ...] = Field(
        default=(), description="Other sign-ins by SAML 2.0, each a table `[[saml_providers]]`; needs `lilong[saml]`."
    )

    package_index_url: str = Field(default="", description="Index that requirements resolve from; empty: uv's own.")
    agent_interval_s: float = Field(default=1.0, gt=0, le=60, description="Least seconds between an agent's calls.")
    agent_keep_spool_hours: int = Field(
        default=24, ge=1, description="Hours that agents keep what they delivered: longer than between backups."
    )
    artefact_keep_days: int = Field(default=90, ge=1, description="Days that the artefacts of a finished run stay.")
    log_keep_days: int = Field(default=90, ge=1, description="Days that the logs of a finished run stay.")

    measuring_days: int = Field(
        default=0,
        ge=0,
        le=365,
        description="Days after which, on average, the hub buys a measurement of each offer anew; 0: never by itself.",
    )
    measuring_requirements: tuple[str, ...] = Field(
        default=("numpy>=2,<3",),
        description="Packages that measurements use on pools without the base profile `measure`.",
    )

    mail_url: str = Field(
        default="",
        pattern=r"^$|^(smtp|smtp\+starttls|smtps|file)://",
        description="smtp://…, smtp+starttls://…, smtps://USER:PASSWORD@HOST:PORT or file:///FOLDER; empty: `mail` in "
        "the home.",
    )
    mail_from: str = Field(default="", description="Sender of the hub's mail; empty: hub@HOST of `public_url`.")
    webhook_networks_allowed: tuple[str, ...] = Field(
        default=(), description="Networks that webhooks may reach although they are not public, such as 10.1.2.0/24."
    )
    metrics_token_file: str = Field(
        default="",
        description="File with the token that reads /metrics, from the home; empty: loopback alone.",
    )

    credit_rates: tuple[CreditRate, ...] = Field(
        default=(),
        description="What a credit is worth, each a table `[[credit_rates]]`; empty: no papers in a currency.",
    )

    record_origin: str = Field(default="", description="Name of the record in its heads; empty: HOST/record.")
    witnesses: tuple[str, ...] = Field(
        default=(), description="Who cosigns the record: each `URL KEY`, as `lilong witness serve` prints them."
    )
    witnesses_required: int = Field(default=1, ge=1, le=16, description="How many witnesses must cosign each head.")

    @field_validator("time_zone")
    @classmethod
    def _require_zone(cls, name: str) -> str:
        find_zone(name=name)
        return name

    @field_validator("webhook_networks_allowed")
    @classmethod
    def _require_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in networks)

    @field_validator("saml_providers")
    @classmethod
    def _require_saml(cls, providers: tuple[SamlProvider, ...]) -> tuple[SamlProvider, ...]:
        if providers and not HAS_SAML:
            raise ValueError("SAML needs more packages: install lilong[hub,saml].")
        return providers

    @field_validator("credit_rates")
    @classmethod
    def _require_dates(cls, rates: tuple[CreditRate, ...]) -> tuple[CreditRate, ...]:
        if len({rate.valid_from for rate in rates}) < len(rates):
            raise ValueError("Two rates begin at the same moment.")
        return rates

    @model_validator(mode="after")
    def _require_own_ids(self) -> "Settings":
        """Refuse an id twice: the people of two sign-ins would be taken for each other's."""
        ids = Counter([each.id for each in self.oidc_providers] + [each.id for each in self.saml_providers])
        twice = sorted(each for each, count in ids.items() if count > 1)
        if twice:
            raise ValueError(f"Two sign-ins have the same id: {', '.join(twice)}.")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - handed in by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - handed in by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file in the home folder."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=_home_from_environment() / "settings.toml")
        return init_settings, env_settings, file

    @property
    def record_origin_in_force(self) -> str:
        """The record's name with the default filled in."""
        return self.record_origin or f"{urlsplit(self.public_url).netloc}/record"

    @property
    def is_https(self) -> bool:
        """Whether people reach the hub by https alone."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def mail_url_in_force(self) -> str:
        """Where mail goes, with the default filled in."""
        return self.mail_url or (self.home / "mail").resolve().as_uri()

    @property
    def mail_from_in_force(self) -> str:
        """Who mail is from, with the default filled in."""
        return self.mail_from or f"{self.hub_name} <hub@{urlsplit(self.public_url).hostname or 'localhost'}>"

    @property
    def database_url_in_force(self) -> str:
        """The database's address with the default filled in."""
        return self.database_url or f"sqlite:///{self.home / 'hub.sqlite3'}"


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Return the settings of this process; raises SettingsInvalid that names each wrong field."""
    try:
        return Settings()
    except ValidationError as error:
        fields = [
            FieldProblem(path=".".join(map(str, wrong["loc"])), code="hub.setting_invalid", message=wrong["msg"])
            for wrong in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsInvalid(fields=fields) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(detail=f"settings.toml: {error}.") from error
