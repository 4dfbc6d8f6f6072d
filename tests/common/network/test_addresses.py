from ipaddress import ip_address

import pytest

from common.network.addresses import is_public, of_socket, plain, shown

PUBLIC = ["8.8.8.8", "1.1.1.1", "223.5.5.5", "2606:4700::1111", "2400:3200::1"]
NOT_PUBLIC = [
    *("127.0.0.1", "127.255.255.254", "::1"),  # loopback
    *("0.0.0.0", "0.1.2.3", "::"),  # noqa: S104 -- unspecified
    *("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),  # private
    *("fc00::1", "fd12:3456::1", "fec0::1"),  # unique local, site-local
    *("169.254.1.1", "169.254.169.254", "fe80::1", "febf::1"),  # link-local
    *("100.64.0.1", "100.127.255.255"),  # carrier-grade NAT
    *("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"),  # multicast
    *("240.0.0.1", "255.255.255.255"),  # reserved
    *("192.0.0.1", "192.0.0.192", "192.88.99.1", "198.18.0.1"),  # special purposes
    *("192.0.2.1", "198.51.100.1", "203.0.113.1"),  # documentation
    *("2001:db8::1", "3fff::1", "100::1", "5f00::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:100.64.0.1"),  # mapped
    *("::7f00:1", "::808:808"),  # compatible
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"),  # NAT64
    *("2002:7f00:1::", "2002:808:808::1"),  # 6to4
    *("2001::1", "2001:0:7f00:1::1", "2001:10::1", "2001:20::1"),  # Teredo, ORCHID
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public(address):
    assert not is_public(ip_address(address))


def test_notations():
    assert plain(ip_address("::ffff:10.0.0.1")) == ip_address("10.0.0.1")
    assert of_socket(("fe80::1%eth0", 80, 0, 2)) == ip_address("fe80::1")
    assert shown(ip_address("::1"), 80) == "[::1]:80"
    assert shown(ip_address("10.0.0.1"), 80) == "10.0.0.1:80"
