from importlib import import_module

import pytest
from django.apps import apps


@pytest.fixture
def default_rules(db):
    """As the migration makes them: tests with transactions of their own empty all
    tables."""
    import_module("monitoring.migrations.0005_default_rules").create(apps, None)
