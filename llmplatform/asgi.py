"""What both servers run: inference traffic to the gateway, the rest to Django."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
application = get_asgi_application()
