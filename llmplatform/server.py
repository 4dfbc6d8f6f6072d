"""What the servers load: the application, if this code fits the database."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
django.setup()

from common.database import NewerDatabase, refuse_at_start  # noqa: E402

# uvicorn imports this in its event loop, where Django refuses queries.
with ThreadPoolExecutor(1) as thread:
    try:
        thread.submit(refuse_at_start).result()
    except NewerDatabase as error:
        sys.exit(f"error: {error}")

from llmplatform.asgi import application  # noqa: E402, F401
