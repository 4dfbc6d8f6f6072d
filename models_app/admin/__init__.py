"""Pages of the admin, one file per thing shown."""

from models_app.admin import activity, runs, served_models, tokens, users

__all__ = ["activity", "runs", "served_models", "tokens", "users"]
