"""Pages of the admin, one file per thing shown."""

from models_app.admin import activity, runs, served_models, tokens, users
from models_app.aliases import admin as aliases
from models_app.limits import admin as limits

__all__ = ["activity", "aliases", "limits", "runs", "served_models", "tokens", "users"]
