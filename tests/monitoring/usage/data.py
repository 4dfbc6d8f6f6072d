"""Usage of two tokens of two users on two models, over two days."""

from datetime import UTC, datetime

from monitoring.usage.ledger import HOUR_S, Entry, Key, write

TOKEN = "ci"
# 22:00 UTC is the next day in Shanghai.
START = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
EVENING = START + 10 * HOUR_S
NEXT_DAY = START + 24 * HOUR_S
END = START + 48 * HOUR_S
SPAN = {"start_time": "2026-03-01", "end_time": "2026-03-04"}


def a_usage(hour, token=TOKEN, user="ann", model="smol", ids=(901, 1), **counts):
    """ids: of the user and of the model."""
    names = {"token_name": token, "user_name": user, "model_name": model}
    counts = {"requests": 1, "prompt_tokens": 10, "completion_tokens": 5, **counts}
    key = Key(hour, f"{token}-{user}", *ids)
    write(f"{hour}-{token}-{user}-{model}", 1, {key: Entry(**names, **counts)})


def several():
    a_usage(START, cost=20_000_000_000)
    a_usage(EVENING, ids=(901, 2), model="large", prompt_tokens=1000)
    a_usage(NEXT_DAY, token="dev", errors=1, cached_tokens=4)
    a_usage(NEXT_DAY, token="=1", user="bob", ids=(902, 1), reasoning_tokens=3)
