"""Django's settings, derived from `config.Settings`; nothing is set in two places."""

from urllib.parse import unquote, urlsplit

from lilong.web.config import load_settings
from lilong.web.keys import read_or_make_django_key

LILONG = load_settings()

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "lilong.foundation.outbox",
    "lilong.foundation.record",
    "lilong.foundation.objects",
    "lilong.foundation.members",
    "lilong.foundation.notices",
    "lilong.foundation.cases",
    "lilong.foundation.ledger",
    "lilong.foundation.runs",
    "lilong.platforms.funding",
    "lilong.platforms.supermarket",
    "lilong.web",
]
AUTH_USER_MODEL = "members.Person"

SECRET_KEY = read_or_make_django_key(LILONG.home)
DEBUG = False
ALLOWED_HOSTS = list(LILONG.allowed_hosts)
ROOT_URLCONF = "lilong.web.urls"
WSGI_APPLICATION = "lilong.web.wsgi.application"
MIDDLEWARE = [
    "lilong.web.middleware.Envelope",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
LOGGING_CONFIG = "lilong.web.logs.configure_logs"
LOGGING = {"level": LILONG.log_level.upper()}
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "lilong.common.django.sqlite",
            "NAME": url.removeprefix("sqlite:///"),
            # The last one to close deletes -wal and -shm; on a full disk nobody can make them again, even to read.
            "CONN_MAX_AGE": None,
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # For statements whose parameters the server binds, the ledger's: planned once, not for each set of parameters.
        "OPTIONS": {"prepare_threshold": 5, "options": "-c plan_cache_mode=force_generic_plan"},
    }


def _mail(url: str) -> dict[str, object]:
    """Return Django's settings for `smtp://user:password@host:port`, `smtps://…`, or `file:///folder`."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": unquote(parts.path),
        }
    is_tls = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname or "localhost",
        "EMAIL_PORT": parts.port or (465 if is_tls else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_tls,
        "EMAIL_USE_TLS": parts.scheme == "smtp+starttls",
        "EMAIL_TIMEOUT": 20,
    }


globals().update(_mail(LILONG.mail_url_in_force))
DEFAULT_FROM_EMAIL = LILONG.mail_from_in_force
DATABASES = {"default": _database(LILONG.database_url_in_force)}
