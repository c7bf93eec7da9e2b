"""Where tokens are kept between commands: one file of this user, several hubs, one of them in use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lilong.cli.output import errors_as_exit_codes
from lilong.common.errors import InputInvalid, NotSignedIn
from lilong.common.files import write_durably
from lilong.sdk.client import Lilong

TOKEN_VARIABLE = "LILONG_TOKEN"  # noqa: S105 - the variable's name


_chosen: ContextVar[str] = ContextVar("chosen hub", default="")


class CredentialsUnreadable(InputInvalid):
    """The credentials file was changed by hand, and wrongly."""

    code = "cli.credentials_unreadable"
    title = "Your credentials file cannot be read"
    next_step = "Move the file named here away and sign in again with `lilong login URL`."


class HubUnchosen(NotSignedIn):
    """No hub was named, and none was signed in to."""

    code = "cli.hub_unchosen"
    title = "You are not signed in to a hub"
    next_step = "Sign in with `lilong login URL`."


class SignedIn(BaseModel):
    """A token for one hub, and whom it belongs to, as the hub said at sign-in."""

    model_config = ConfigDict(frozen=True)

    token: str = Field(repr=False)
    organisation: str = ""
    person: str = ""


class Credentials(BaseModel):
    """Tokens by the address of the hub; `current` is the hub that commands speak to."""

    model_config = ConfigDict(frozen=True)

    current: str = ""
    hubs: dict[str, SignedIn] = Field(default_factory=dict)

    def sign_in(self, url: str, signed_in: SignedIn) -> "Credentials":
        """Return the credentials with this hub in use."""
        return Credentials(current=url, hubs=self.hubs | {url: signed_in})

    def sign_out(self, url: str) -> "Credentials":
        """Return the credentials without this hub."""
        hubs = {known: signed_in for known, signed_in in self.hubs.items() if known != url}
        return Credentials(current=next(iter(hubs), "") if self.current == url else self.current, hubs=hubs)


def credentials_path() -> Path:
    """Return where the credentials lie: below XDG_CONFIG_HOME, or ~/.config."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(configured) if Path(configured).is_absolute() else Path.home() / ".config"
    return folder / "lilong" / "credentials.json"


def load_credentials() -> Credentials:
    """Return what is kept, which may be nothing; raises CredentialsUnreadable."""
    path = credentials_path()
    try:
        return Credentials.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Credentials()
    except ValidationError as error:
        raise CredentialsUnreadable(detail=str(path)) from error


def save_credentials(credentials: Credentials) -> None:
    """Keep the credentials, readable by this user alone."""
    path = credentials_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path=path, content=credentials.model_dump_json(indent=2).encode() + b"\n", mode=0o600)


def choose_hub(url: str) -> None:
    """Let this command speak to `url`; an empty text leaves it to the credentials."""
    _chosen.set(url.rstrip("/"))


def find_chosen_hub() -> str:
    """Return the hub that `lilong --hub URL` or LILONG_HUB names, or an empty text."""
    return _chosen.get()


def connect() -> Lilong:
    """Return the client of the hub in use, with LILONG_TOKEN or the kept token; raises HubUnchosen."""
    credentials = load_credentials()
    url = find_chosen_hub() or credentials.current
    token = os.environ.get(TOKEN_VARIABLE, "") or (credentials.hubs[url].token if url in credentials.hubs else "")
    if not url or not token:
        raise HubUnchosen(detail=f"There is no token for {url}." if url else "")
    return Lilong(url=url, token=token)


@contextmanager
def hub_session(*, as_json: bool) -> Iterator[Lilong]:
    """Hand out the client of the hub in use; every error of the block becomes a message and an exit code."""
    with errors_as_exit_codes(as_json=as_json), connect() as hub:
        yield hub
