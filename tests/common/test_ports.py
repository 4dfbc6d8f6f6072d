from typing import Protocol

import pytest
from django.core.exceptions import ImproperlyConfigured

from common.ports import Port


class Clock(Protocol):
    def __call__(self) -> float: ...


def test_an_empty_port_names_itself():
    with pytest.raises(ImproperlyConfigured, match="a clock"):
        Port[Clock]("a clock").get()


def test_a_port_returns_what_was_provided_last():
    port = Port[Clock]("a clock")
    port.provide(lambda: 1.0)
    port.provide(lambda: 2.0)
    assert port.get()() == 2.0
