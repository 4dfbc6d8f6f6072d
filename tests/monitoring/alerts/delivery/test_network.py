"""Which addresses notifications go to, and how long an attempt may take."""

import socket
import threading
import time
from ipaddress import ip_address

import pytest

from monitoring.alerts.delivery.network import Attempt, Failed, Policy, own_addresses
from tests.common.network.test_addresses import NOT_PUBLIC, PUBLIC

LOCAL = "127.0.0.1/32"


def answering(*answers):
    """A resolver that gives one answer after the other, and counts."""
    left = list(answers)

    def look_up(host, port, **_):
        asked.append(host)
        return [found(address, port) for address in left.pop(0)]

    asked = []
    return look_up, asked


def found(address, port):
    is_ipv6 = ip_address(address).version == 6
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    sockaddr = (address, port, 0, 0) if is_ipv6 else (address, port)
    return (family, socket.SOCK_STREAM, 6, "", sockaddr)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_is_refused_unless_a_network_contains_it(address):
    look_up, _ = answering([address], [address])
    version = ip_address(address).version
    with pytest.raises(Failed) as failed:
        Policy([], look_up).resolve("receiver", 443)
    shown = f"[{ip_address(address)}]" if version == 6 else address
    assert failed.value.code == "delivery_address_refused"
    assert failed.value.params == {"address": f"{shown}:443"}
    assert not failed.value.passing
    bits = 128 if version == 6 else 32
    assert Policy([f"{address}/{bits}"], look_up).resolve("receiver", 443)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_admitted(address):
    look_up, _ = answering([address])
    assert Policy([], look_up).resolve("receiver", 443)


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost", "::1"),
        *("::ffff:127.0.0.1", "::ffff:7f00:1"),
    ],
)
def test_any_notation_of_this_machine_is_refused(host):
    with pytest.raises(Failed) as failed:
        Policy([]).resolve(host, 80)
    assert failed.value.code == "delivery_address_refused"


def test_own_public_addresses_are_refused():
    assert ip_address("127.0.0.1") in own_addresses()
    assert not any(Policy([]).admits(address) for address in own_addresses())


@pytest.mark.parametrize(
    "answer", [["8.8.8.8", "::1"], ["2606:4700::1111", "10.0.0.1"]]
)
def test_name_with_one_private_address_is_refused(answer):
    look_up, _ = answering(answer)
    with pytest.raises(Failed):
        Policy([], look_up).resolve("mixed", 80)


def test_name_is_resolved_once_and_the_checked_address_is_connected_to():
    """127.0.0.1 stands for a public address, and 127.0.0.2 for a private one."""
    look_up, asked = answering(["127.0.0.1"], ["127.0.0.2"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Attempt(Policy([LOCAL], look_up)) as attempt:
            connection = attempt.connect("rebinding", port)
            assert connection.getpeername() == ("127.0.0.1", port)
            connection.close()
        assert asked == ["rebinding"]
        with pytest.raises(Failed), Attempt(Policy([LOCAL], look_up)) as attempt:
            attempt.connect("rebinding", port)


def test_next_address_is_tried_if_one_does_not_respond():
    look_up, _ = answering(["127.0.0.2", "127.0.0.1"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Attempt(Policy(["127.0.0.0/8"], look_up)) as attempt:
            connection = attempt.connect("two", port)
            assert connection.getpeername()[0] == "127.0.0.1"
            connection.close()


def unknown(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


@pytest.mark.parametrize("look_up", [unknown, lambda *_, **__: []])
def test_name_without_addresses(look_up):
    with pytest.raises(Failed) as failed:
        Policy([], look_up).resolve("nowhere", 80)
    assert (failed.value.code, failed.value.passing) == ("delivery_host_unknown", True)


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "\udcff"])
def test_impossible_name(host):
    with pytest.raises(Failed) as failed:
        Policy([]).resolve(host, 80)
    assert failed.value.code == "delivery_host_unknown"


def test_resolver_that_hangs_costs_no_more_than_the_attempt():
    ended = threading.Event()
    began = time.monotonic()
    policy = Policy([], lambda *_, **__: ended.wait(30))
    with pytest.raises(Failed) as failed, Attempt(policy, 0.2) as attempt:
        attempt.connect("slow", 80)
    ended.set()
    assert failed.value.code == "delivery_timed_out"
    assert time.monotonic() - began < 10


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Failed) as failed, Attempt(Policy([LOCAL])) as attempt:
        attempt.connect("127.0.0.1", port)
    assert failed.value.code == "delivery_unreachable"
    assert failed.value.params == {"host": "127.0.0.1", "detail": "Connection refused"}


def test_attempt_ends_in_time_although_bytes_keep_coming():
    def drip():
        peer, _ = server.accept()
        with peer:
            try:
                while True:
                    peer.sendall(b"x")
                    time.sleep(0.01)
            except OSError:
                pass

    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(Failed) as failed, Attempt(Policy([LOCAL]), 0.3) as attempt:
            with attempt.connect("127.0.0.1", port) as connection:
                while connection.recv(100):
                    pass
            raise ConnectionError
        thread.join()
    assert failed.value.code == "delivery_timed_out"
    assert time.monotonic() - began < 10
