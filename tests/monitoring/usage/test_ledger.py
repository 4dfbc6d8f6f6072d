from decimal import Decimal

import pytest
from django.db import connection
from django.forms.models import model_to_dict

from monitoring.models import Watermark
from monitoring.usage.ledger import COUNTS, NAMES, Entry, Key, add_entries, write
from monitoring.usage.models import UsageRecord

pytestmark = pytest.mark.django_db

NOON = 1_700_000_000 // 3600 * 3600
KEY = Key(NOON, "abc", 2, 3)


def an_entry(**fields):
    defaults = {"token_name": "ci", "user_name": "ann", "model_name": "smol"}
    return Entry(**{**defaults, **fields})


def test_each_count_and_name_has_a_column():
    columns = {field.name for field in UsageRecord._meta.fields}
    assert columns == {"id", *Key._fields, *NAMES, *COUNTS}


def test_writes_add_up():
    write("a", 1, {KEY: an_entry(**dict.fromkeys(COUNTS, 1))})
    write("b", 1, {KEY: an_entry(model_name="new", **dict.fromkeys(COUNTS, 2))})
    row = model_to_dict(UsageRecord.objects.get(), [*COUNTS, "model_name"])
    assert row == {
        **dict.fromkeys(COUNTS, 3),
        "cost": Decimal("0.0000000003"),
        "model_name": "new",
    }


@pytest.mark.parametrize(
    "other", [{"hour": 7200}, {"token_id": "abd"}, {"user_id": 9}, {"model_id": 9}]
)
def test_each_part_of_the_key_has_a_row_of_its_own(other):
    write("a", 1, {KEY: an_entry(), KEY._replace(**other): an_entry()})
    assert UsageRecord.objects.count() == 2


def test_batch_that_was_committed_is_not_added_again():
    for number in (5, 5, 6):
        write("a", number, {KEY: an_entry(requests=1)})
    assert UsageRecord.objects.get().requests == 2
    assert Watermark.objects.get().at == 6


def test_many_entries_take_few_statements(django_assert_max_num_queries):
    entries = {KEY._replace(token_id=str(n)): an_entry(requests=n) for n in range(1200)}
    with django_assert_max_num_queries(12):
        write("a", 1, entries)
    assert UsageRecord.objects.count() == 1200
    assert UsageRecord.objects.get(token_id="1199").requests == 1199


def test_entries_are_added_in_memory():
    known = {KEY: an_entry(requests=1, cost=5)}
    other = KEY._replace(hour=NOON + 3600)
    later = {KEY: an_entry(requests=2, model_name="new"), other: an_entry(errors=1)}
    add_entries(known, later)
    assert known == {
        KEY: an_entry(requests=3, cost=5, model_name="new"),
        other: an_entry(errors=1),
    }


def test_failed_batch_leaves_nothing():
    class Broken(Exception):
        pass

    def broken(execute, sql, params, many, context):
        if "Watermark".lower() in sql and sql.startswith(("INSERT", "UPDATE")):
            raise Broken
        return execute(sql, params, many, context)

    with connection.execute_wrapper(broken), pytest.raises(Broken):
        write("a", 1, {KEY: an_entry()})
    assert not UsageRecord.objects.exists()
