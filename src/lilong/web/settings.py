"""Django's settings, derived from `config.Settings`; nothing is set in two places."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import lilong
from lilong.web import sign_in
from lilong.web.config import load_settings
from lilong.web.keys import read_or_make_django_key

LILONG = load_settings()

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    *sign_in.APPS,
    "lilong.foundation.outbox",
    "lilong.foundation.record",
    "lilong.foundation.objects",
    "lilong.foundation.notices",
    "lilong.foundation.cases",
    "lilong.foundation.ledger",
    "lilong.foundation.runs",
    "lilong.platforms.funding",
    "lilong.platforms.stack",
    "lilong.platforms.supermarket",
    "lilong.platforms.audit",
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
    "lilong.web.static.HashedStatic",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "lilong.web.people.PeopleMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "lilong.web.shell.describe_shell",
                "lilong.web.people.describe_account",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "lilong.web.templatetags.lilong",
                "lilong.web.templatetags.sentences",
            ],
        },
    }
]
FORM_RENDERER = "lilong.web.forms.FormRenderer"
STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # no page keeps files: rooms use `objects`
    "staticfiles": {"BACKEND": "lilong.web.static.HashedStorage"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_AUTOREFRESH = False
WHITENOISE_USE_FINDERS = True
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
globals().update(sign_in.build_settings(LILONG))
LOGGING_CONFIG = "lilong.web.logs.configure_logs"
LOGGING = {"level": LILONG.log_level.upper()}
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [Path(lilong.__file__).parent / "locale"]
LANGUAGE_COOKIE_NAME = "language"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024

# A hub ends no TLS itself: when its public address is https, a proxy in front does.
IS_HTTPS = urlsplit(LILONG.public_url).scheme == "https"
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(LILONG.public_url))]
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"  # with the prefix no other host of the domain sets it
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "lilong.web.error_pages.refuse_form"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
_KEEPALIVES = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


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
        # And the server lets go of a session, and of its locks, a minute after the machine that had it is gone.
        "OPTIONS": {"prepare_threshold": 5, "options": f"-c plan_cache_mode=force_generic_plan {_KEEPALIVES}"},
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
