"""Django's and allauth's settings of sessions, signing in and federation, derived from `config.Settings`."""

from pathlib import Path

from lilong.web.config import HAS_SAML, OidcProvider, SamlProvider, Settings

PASSWORD_LENGTH_MIN = 12
APPS = (
    "lilong.foundation.members",  # before allauth, whose templates it replaces
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    *(("allauth.socialaccount.providers.saml",) if HAS_SAML else ()),
    "allauth.idp.oidc",
)
_ADAPTERS = "lilong.foundation.members.pages.adapters"
_VALIDATORS = "django.contrib.auth.password_validation"


def build_settings(hub: Settings) -> dict[str, object]:
    """Return the settings by name."""
    return {**_sessions(hub), **_accounts(hub), **_second_factors(hub), **_federation(hub)}


def _sessions(hub: Settings) -> dict[str, object]:
    prefix = "__Host-" if hub.is_https else ""
    return {
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "SESSION_COOKIE_NAME": f"{prefix}lilong-session",
        "SESSION_COOKIE_AGE": hub.session_days * 24 * 3600,
        "SESSION_COOKIE_SECURE": hub.is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if hub.trusted_proxies else None,
        "ALLAUTH_TRUSTED_PROXY_COUNT": hub.trusted_proxies,
        # Rate limits and device codes have to be seen by every process of the hub, on every machine.
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": "shared_cache",
                # When it is full, a third goes, whatever it holds: nobody should fill it with attempts.
                "OPTIONS": {"MAX_ENTRIES": 100_000},
            }
        },
    }


def _accounts(hub: Settings) -> dict[str, object]:
    return {
        "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
        "AUTH_PASSWORD_VALIDATORS": [
            {"NAME": f"{_VALIDATORS}.MinimumLengthValidator", "OPTIONS": {"min_length": PASSWORD_LENGTH_MIN}},
            {"NAME": f"{_VALIDATORS}.CommonPasswordValidator"},
            {
                "NAME": f"{_VALIDATORS}.UserAttributeSimilarityValidator",
                "OPTIONS": {"user_attributes": ("email", "name")},
            },
        ],
        "LOGIN_URL": "account_login",
        "LOGIN_REDIRECT_URL": "home",
        "LOGOUT_REDIRECT_URL": "account_login",
        "ACCOUNT_ADAPTER": f"{_ADAPTERS}.AccountAdapter",
        "ACCOUNT_SIGNUP_FORM_CLASS": "lilong.foundation.members.pages.forms.NameForm",
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
        "ACCOUNT_LOGIN_METHODS": {"email"},
        "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*"],
        "ACCOUNT_EMAIL_VERIFICATION": "mandatory",
        "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED": True,
        "ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND": True,
        "ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED": True,
        "ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT": 15 * 60,
        "ACCOUNT_CHANGE_EMAIL": True,
        "ACCOUNT_PREVENT_ENUMERATION": True,
        "ACCOUNT_EMAIL_NOTIFICATIONS": True,
        "ACCOUNT_REAUTHENTICATION_REQUIRED": True,
        "ACCOUNT_EMAIL_SUBJECT_PREFIX": f"[{hub.hub_name}] ",
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": "https" if hub.is_https else "http",
        "IDP_OIDC_DEVICE_CODE_EXPIRES_IN": 15 * 60,
    }


def _second_factors(hub: Settings) -> dict[str, object]:
    return {
        "MFA_ADAPTER": f"{_ADAPTERS}.SecondFactorAdapter",
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_TOTP_ISSUER": hub.hub_name,
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        # Browsers offer passkeys without https on this machine alone.
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": not hub.is_https,
    }


def _federation(hub: Settings) -> dict[str, object]:
    return {
        "SOCIALACCOUNT_ADAPTER": f"{_ADAPTERS}.FederationAdapter",
        "SOCIALACCOUNT_PROVIDERS": {
            "openid_connect": {"APPS": [_oidc_app(each) for each in hub.oidc_providers]},
            "saml": {"APPS": [_saml_app(each) for each in hub.saml_providers]},
        },
        "SOCIALACCOUNT_LOGIN_ON_GET": False,
        # Whoever has an account here signs in here first, then connects the other: no address opens it.
        "SOCIALACCOUNT_EMAIL_AUTHENTICATION": False,
        "SOCIALACCOUNT_STORE_TOKENS": False,
    }


def _oidc_app(provider: OidcProvider) -> dict[str, object]:
    return {
        "provider_id": provider.id,
        "name": provider.name,
        "client_id": provider.client_id,
        "secret": _read_secret(provider.client_secret_file),
        "settings": {
            "server_url": provider.server_url,
            "oauth_pkce_enabled": True,
            "trusts_email": provider.trusts_email,
            "email_claim": provider.email_claim,
            "email_verified_claim": provider.email_verified_claim,
            "name_claim": provider.name_claim,
        },
    }


def _saml_app(provider: SamlProvider) -> dict[str, object]:
    """Return what allauth asks for; the claims have the names that `members.pages.saml_protocol` gives them."""
    return {
        "provider_id": provider.id,
        "name": provider.name,
        "client_id": provider.id,
        "settings": {
            **provider.model_dump(exclude={"id", "name"}),
            "attribute_mapping": {},
            "email_claim": "email",
            "email_verified_claim": "email_verified",
            "name_claim": "name",
        },
    }


def _read_secret(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
