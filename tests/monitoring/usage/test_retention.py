from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.models import Watermark
from monitoring.usage.ledger import Entry, Key, write
from monitoring.usage.models import UsageRecord
from monitoring.usage.retention import delete_old

pytestmark = pytest.mark.django_db


def at(**ago):
    return int((timezone.now() - timedelta(**ago)).timestamp())


def test_usage_is_deleted_by_age(settings):
    settings.USAGE_DAYS = 10
    names = {"token_name": "ci", "user_name": "ann", "model_name": "smol"}
    for days in (9, 11):
        key = Key(at(days=days), "abc", 2, 3)
        write(f"writer-{days}", at(days=days * 3) * 1000, {key: Entry(**names)})
    Watermark.objects.create(name="roll_up", at=5)
    delete_old()
    assert UsageRecord.objects.get().hour > at(days=10)
    marks = Watermark.objects.order_by("name").values_list("name", flat=True)
    assert list(marks) == ["roll_up", "usage_writer-9"]
