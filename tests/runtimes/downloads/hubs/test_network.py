from ipaddress import ip_address

import pytest

from runtimes.downloads.hubs.network import is_public, plain, site_of

ADDRESSES = [
    ("8.8.8.8", True),
    ("2606:4700::1111", True),
    ("198.18.0.7", True),
    ("127.0.0.1", False),
    ("::1", False),
    ("10.1.2.3", False),
    ("172.16.0.1", False),
    ("192.168.1.1", False),
    ("169.254.169.254", False),
    ("100.64.0.1", False),
    ("fe80::1", False),
    ("fd00::1", False),
    ("0.0.0.0", False),  # noqa: S104 -- not bound
    ("::ffff:10.0.0.1", False),
    ("::ffff:8.8.8.8", True),
]


@pytest.mark.parametrize(("address", "public"), ADDRESSES)
def test_public_addresses(address, public):
    assert is_public(plain(ip_address(address))) is public


SITES = [
    ("https://huggingface.co", ("huggingface.co", 443)),
    ("http://10.0.0.5:9000/x", ("10.0.0.5", 9000)),
    ("http://[::1]/", ("::1", 80)),
    ("proxy.local:3128", ("proxy.local", 3128)),
]


@pytest.mark.parametrize(("url", "site"), SITES)
def test_site_of_an_url(url, site):
    assert site_of(url) == site
