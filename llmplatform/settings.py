"""All configuration. The only file that reads the environment."""

import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from llmplatform import logs, theme
from llmplatform.environment import Environment, local_hosts

VERSION = "0.1.0"
BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(os.environ, BASE_DIR)

# Paths, node and ports
DATA_DIR = env.data_dir
RUNS_DIR = DATA_DIR / "runs"
LOG_DIR = DATA_DIR / "logs"
MODEL_ROOTS = [*map(Path, env.items("MODEL_ROOTS", f"/models,{DATA_DIR / 'models'}"))]
MODEL_ROOT_SECONDS = env.number("MODEL_ROOT_SECONDS", 5)
NODE_NAME = env.text("NODE_NAME", socket.gethostname())
WEB_PORT = env.number("WEB_PORT", 3000)
API_PORT = env.number("API_PORT", 8000)
API_PROCESSES = env.number("API_PROCESSES", 1)  # that share it
BIND = env.text("BIND", "0.0.0.0")  # noqa: S104 -- [::] for IPv6 as well
ENGINE_PORTS = range(
    env.number("ENGINE_PORT_FIRST", 21000), env.number("ENGINE_PORT_LAST", 21999) + 1
)

# The path below which a proxy serves the site, such as /llm
URL_PREFIX = env.text("URL_PREFIX").rstrip("/")
FORCE_SCRIPT_NAME = URL_PREFIX or None

# Security
SECRET_KEY = env.secret_key()
SECRET_KEY_FALLBACKS = env.items("SECRET_KEY_FALLBACKS")
DEBUG = env.flag("DEBUG")
HTTPS = env.flag("HTTPS")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", local_hosts())
# Origins whose pages may call the APIs with a token, such as https://app.example.com
CORS_ORIGINS = env.items("CORS_ORIGINS")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
SECURE_SSL_REDIRECT = HTTPS
# Browsers then refuse plain HTTP to every port of the host: a day unless it is raised.
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 86_400) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_INCLUDE_SUBDOMAINS")
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD")
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # they are a choice
TRUST_PROXY = env.flag("TRUST_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
# Browsers send cookies to every port of a host: without names of its own, a second
# installation there would end the sessions of the first.
INSTALLATION_ID = salted_hmac("installation", "", secret=SECRET_KEY).hexdigest()[:12]
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{URL_PREFIX}/"
SESSION_COOKIE_NAME = f"sessionid_{INSTALLATION_ID}"
CSRF_COOKIE_NAME = f"csrftoken_{INSTALLATION_ID}"
LANGUAGE_COOKIE_NAME = f"language_{INSTALLATION_ID}"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no cookie
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
PASSWORD_MIN_LENGTH = env.number("PASSWORD_MIN_LENGTH", 12)
VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"{VALIDATION}.UserAttributeSimilarityValidator"},
    {
        "NAME": f"{VALIDATION}.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH},
    },
    {"NAME": f"{VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{VALIDATION}.NumericPasswordValidator"},
    {"NAME": "models_app.accounts.passwords.DecoratedPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Guessing of passwords: by user and address, so that nobody locks others out.
SIGN_IN_LOCK_MINUTES = env.number("SIGN_IN_LOCK_MINUTES", 15)
AXES_FAILURE_LIMIT = env.number("SIGN_IN_ATTEMPTS", 5)
AXES_COOLOFF_TIME = timedelta(minutes=SIGN_IN_LOCK_MINUTES)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "models_app.accounts.sign_in.locked_out"
AXES_CLIENT_IP_CALLABLE = "models_app.activity.address_of"
AXES_DISABLE_ACCESS_LOG = True  # the activity log has them
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
# Without use; see models_app.accounts.sessions.
SESSION_COOKIE_AGE = env.number("SESSION_IDLE_MINUTES", 720) * 60

# What a client can make the servers hold
MAX_HEADER_BYTES = 64 * 2**10
MAX_BODY_BYTES = 10 * 2**20
UNKNOWN_CLIENT_BODY_BYTES = 64 * 2**10  # before it has signed in or shown a token
HEADER_SECONDS = env.number("HEADER_SECONDS", 30)
BODY_SECONDS = env.number("BODY_SECONDS", 120)
KEEP_ALIVE_SECONDS = env.number("KEEP_ALIVE_SECONDS", 75)
CONNECTIONS_PER_ADDRESS = env.number("CONNECTIONS_PER_ADDRESS", 1000)
CONNECTIONS_PER_TOKEN = env.number("CONNECTIONS_PER_TOKEN", 500)
WEBSOCKETS_PER_TOKEN = env.number("WEBSOCKETS_PER_TOKEN", 50)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # an action sends one for each selected row

# Applications
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "taggit",
    "knox",
    "axes",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "llmplatform",
    "common",
    "models_app",
    "runtimes",
    "monitoring",
    "scheduling",
    "django_q",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "llmplatform.middleware.set_length_of_chunked_bodies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "llmplatform.middleware.reject_repeated_parameters",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "models_app.accounts.sessions.keep_sessions_in_use",
    "models_app.accounts.sessions.remember_request",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "llmplatform.urls"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
ASGI_APPLICATION = "llmplatform.asgi.application"
APPEND_SLASH = False  # the API accepts both forms; the admin redirects by itself
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = f"{URL_PREFIX}/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Static files are served from the packages; there is no collectstatic to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Database: SQLite by default; deferred transactions that upgrade to a write fail at
# once with "database is locked" whatever the timeout, hence IMMEDIATE.
DATABASES = {
    "default": dj_database_url.parse(
        env.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}"),
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if "sqlite" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

# Broker: task queue, channel layer, change notices
EMBEDDED_BROKER_SOCKET = DATA_DIR / "broker.sock"
REDIS_URL = env.text("REDIS_URL", f"unix://{EMBEDDED_BROKER_SOCKET}")
EMBEDDED_BROKER = not env.text("REDIS_URL")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}
Q_CLUSTER = {
    "name": "llmplatform",
    "redis": REDIS_URL,
    "workers": 2,
    "recycle": 5000,
    "timeout": 60,
    "retry": 90,
    "max_attempts": 1,  # ticks repeat by themselves
    "catch_up": False,
    "save_limit": -1,
    "ack_failures": True,
    "label": _("Task queue"),
    "log_level": "WARNING",
}

# API
KNOX_TOKEN_MODEL = "models_app.ApiToken"  # noqa: S105 -- a model, not a secret
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(days=env.number("API_TOKEN_DAYS", 365)),
    "TOKEN_MODEL": KNOX_TOKEN_MODEL,
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "models_app.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["models_app.permissions.ModelPermissions"],
    "DEFAULT_PARSER_CLASSES": ["llmplatform.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "llmplatform.api.Pagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "llmplatform.api.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "LLM推理服务 API",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["llmplatform.api.DocsPermission"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVERS": [{"url": URL_PREFIX}] if URL_PREFIX else [],
    "PREPROCESSING_HOOKS": ["llmplatform.schema.without_slashes"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "llmplatform.gateway_schema.add_gateway",
        "llmplatform.schema.complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "models_app.enums.Status",
        "RunStateEnum": "models_app.enums.RunState",
        "JobStateEnum": "common.models.JobState",
        "ChannelKindEnum": "monitoring.alerts.enums.ChannelKind",
        "AlertStateEnum": "monitoring.alerts.enums.AlertState",
        "RuleStateEnum": "monitoring.alerts.enums.RuleState",
        "ModeEnum": "runtimes.enums.GpuMode",
        "AliasModeEnum": "models_app.aliases.models.Mode",
    },
}

# Fields of requests that neither OpenAI's API nor the engine has: reject or drop
GATEWAY_UNKNOWN_FIELDS = env.text("GATEWAY_UNKNOWN_FIELDS", "reject")

# Engines: frameworks, hubs, drivers and limits
FRAMEWORKS = {
    "llama.cpp": "runtimes.frameworks.llamacpp.framework.LlamaCpp",
    "vllm": "runtimes.frameworks.vllm.framework.Vllm",
}
ENGINES_DIR = Path(env.text("ENGINES_DIR", "~/.cache/llmplatform/engines")).expanduser()
ENGINES_PATH = env.text("PATH", os.defpath)
ENGINE_DOWNLOADS = env.flag("ENGINE_DOWNLOADS")  # of models, from a hub
HUB_DIR = Path(
    env.text("HF_HUB_CACHE") or f"{env.text('HF_HOME', '~/.cache/huggingface')}/hub"
).expanduser()
# Endpoint and token of each hub
HUBS = {
    "huggingface": (
        env.text("HF_ENDPOINT", "https://huggingface.co").rstrip("/"),
        env.text("HF_TOKEN"),
    ),
    "modelscope": (
        env.text("MODELSCOPE_ENDPOINT", "https://modelscope.cn").rstrip("/"),
        env.text("MODELSCOPE_API_TOKEN"),
    ),
}
DOWNLOAD_RESERVE_MIB = env.number("DOWNLOAD_RESERVE_MIB", 1024)  # kept free on disk
DOWNLOAD_NETWORKS = env.items("DOWNLOAD_NETWORKS")  # private, where hubs keep files
DRIVERS = {
    "process": "runtimes.drivers.process.ProcessDriver",
    "docker": "runtimes.drivers.docker.DockerDriver",
}
CERTIFICATE_FILES = [Path(path) for path in env.items("CERTIFICATE_FILES")]
ALERT_GROUP_SECONDS = env.number("ALERT_GROUP_SECONDS", 30)  # between messages
ENGINE_ENVIRONMENT = env.variables  # the driver passes on a selection
# Engines that run as processes see the system, models and these folders, and no data of
# the platform. A platform that runs as root runs them as another user.
ENGINE_SANDBOX = env.flag("ENGINE_SANDBOX", default=True)
ENGINE_READ_PATHS = [Path(path) for path in env.items("ENGINE_READ_PATHS")]
ENGINE_UID = env.number("ENGINE_UID", 0)  # that user; 0: one that nobody else has
ENGINE_ISOLATION: dict[str, Any] = {
    "user": ENGINE_UID,
    "write": (HUB_DIR,) if ENGINE_DOWNLOADS else (),
    "home": DATA_DIR / "engine-home",
}
DRIVER_OPTIONS: dict[str, dict[str, Any]] = {
    "process": {
        "environment": {**ENGINE_ENVIRONMENT, "HF_HUB_CACHE": str(HUB_DIR)},
        "isolation": ENGINE_ISOLATION if ENGINE_SANDBOX else None,
    },
    "docker": {
        "url": env.text("DOCKER_HOST", "unix:///var/run/docker.sock"),
        "images": {
            "llama.cpp": env.text("DOCKER_IMAGE_LLAMACPP", "llmplatform-llamacpp"),
            "vllm": env.text("DOCKER_IMAGE_VLLM", "llmplatform-vllm"),
            "vllm-cpu": env.text("DOCKER_IMAGE_VLLM_CPU", "llmplatform-vllm-cpu"),
        },
        "user": env.text("DOCKER_USER"),
        "folders": MODEL_ROOTS,
        "hub_dir": HUB_DIR,
    },
}
DRAIN_SECONDS = env.number("DRAIN_SECONDS", 30)
LAUNCH_RETRY_SECONDS = 5
TERMINATE_SECONDS = env.number("TERMINATE_SECONDS", 10)
HANG_SECONDS = env.number("HANG_SECONDS", 120)  # without progress
START_SECONDS = env.number("START_SECONDS", 600)
BACK_OFF_SECONDS = env.number("BACK_OFF_SECONDS", 10)
MAX_ATTEMPTS = env.number("MAX_ATTEMPTS", 8)
FAILPOINT = env.text("FAILPOINT")  # for crash tests only
KEPT_RUNS = env.number("KEPT_RUNS", 50)  # ended runs with logs, per model
ACTIVITY_DAYS = env.number("ACTIVITY_DAYS", 365)
EXPIRED_TOKEN_DAYS = env.number("EXPIRED_TOKEN_DAYS", 90)  # listed after they expire
USAGE_DAYS = env.number("USAGE_DAYS", 730)
CURRENCY = env.text("CURRENCY", "CNY")  # of models' prices, as in ISO 4217
DECISION_DAYS = env.number("DECISION_DAYS", 30)
PLACEMENT = env.text("PLACEMENT", "binpack")  # or spread
PRIORITY_GAP = env.number("PRIORITY_GAP", 1)
MIN_RUNNING_SECONDS = env.number("MIN_RUNNING_SECONDS", 30)
COOL_DOWN_SECONDS = env.number("COOL_DOWN_SECONDS", 60)
GPU_RESERVE_MIB = env.number("GPU_RESERVE_MIB", 256)
RESERVED_MEMORY_MIB = env.number("RESERVED_MEMORY_MIB", 1024)

# Gateway: requests in flight of one token to one model; 0: no limit
MAX_REQUESTS_PER_TOKEN = env.number("MAX_REQUESTS_PER_TOKEN", 16)
SERVE_WITHOUT_DATABASE_MINUTES = env.number("SERVE_WITHOUT_DATABASE_MINUTES", 60)
# Answers of models with a response cache, in each process; 0: none are kept
RESPONSE_CACHE_BYTES = env.number("RESPONSE_CACHE_BYTES", 64 * 2**20)

# Retention of history, by bucket width
HISTORY_10S_HOURS = env.number("HISTORY_10S_HOURS", 48)
HISTORY_1M_DAYS = env.number("HISTORY_1M_DAYS", 30)
HISTORY_1H_DAYS = env.number("HISTORY_1H_DAYS", 730)
HISTORY_MAX_MIB = env.number("HISTORY_MAX_MIB", 4096)  # the oldest is deleted
STORE_MIN_FREE_MIB = env.number("STORE_MIN_FREE_MIB", 512)  # or no more history

# Notifications: mail needs EMAIL_HOST, links in messages PUBLIC_URL.
PUBLIC_URL = env.text("PUBLIC_URL").rstrip("/")
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.number("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")  # STARTTLS
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL")  # TLS from the start
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "llmplatform@localhost")
# Private networks of receivers and mail servers, such as 10.1.2.0/24
WEBHOOK_ALLOWED_NETWORKS = env.items("WEBHOOK_ALLOWED_NETWORKS")

# Whether the API's documentation and browsable pages open without signing in
DOCS_PUBLIC = env.flag("DOCS_PUBLIC", DEBUG)
# Networks that may read /metrics without a token, such as 10.1.2.0/24. Empty by
# default: behind a local proxy, every client has the address 127.0.0.1.
METRICS_NETWORKS = env.items("METRICS_NETWORKS")

# Language and time
LANGUAGE_CODE = env.text("LANGUAGE_CODE", "en")
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True

LOGGING = logs.configuration(env.text("LOG_LEVEL", "INFO"))
UNFOLD = theme.UNFOLD
