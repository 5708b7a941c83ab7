"""Which addresses a request may reach: the address decides, not the text of the URL."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import pytest

from qless_py.errors import BadArgumentError
from qless_py.protocol import http_urls
from qless_py.push import targets
from qless_py.push.targets import TargetRefusedError, Targets, UnresolvedTargetError

PUBLIC = "93.184.215.14"


class Names:
    """A name server with fixed answers; it counts the questions."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.names = {name.replace("_", "."): list(found) for name, found in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.names[host]


def check(checker: Targets, url: str) -> list[str]:
    found = asyncio.run(checker.check(http_urls.parse(url)))
    return [str(one) for one in found.addresses]


def refusal(checker: Targets, url: str) -> str:
    with pytest.raises(TargetRefusedError) as caught:
        check(checker, url)
    return str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",  # carrier-grade NAT
        "169.254.1.1",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:53aa:64c:0:0:0:1",  # Teredo
        "2001:db8::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "3fff::1",
        "2001:20::1",  # ORCHID
        "4000::1",
    ],
)
def test_an_address_that_is_not_public_is_refused_as_text_and_behind_a_name(address: str) -> None:
    shown = f"[{address}]" if ":" in address else address
    assert "is not a public address" in refusal(Targets(), f"http://{shown}/")
    named = Targets(resolver=Names(evil_example=[address]))
    assert "is not a public address" in refusal(named, "https://evil.example/")


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",  # 169.254.169.254 behind NAT64
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",  # and behind 6to4
        "::a9fe:a9fe",
    ],
)
def test_metadata_services_are_refused_even_where_their_network_is_allowed(address: str) -> None:
    everything = Targets(["0.0.0.0/0", "::/0"])
    shown = f"[{address}]" if ":" in address else address
    assert "metadata service" in refusal(everything, f"http://{shown}/latest/meta-data/")
    assert "metadata service" in refusal(
        Targets(["cloud.example:80"], resolver=Names(cloud_example=[address])),
        "http://cloud.example/",
    )


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_allowed(address: str) -> None:
    shown = f"[{address}]" if ":" in address else address
    assert check(Targets(), f"https://{shown}/") == [address]
    named = Targets(resolver=Names(www_example=[address]))
    assert check(named, "http://www.example/") == [address]


def test_every_address_of_a_name_has_to_pass() -> None:
    names = Names(mixed_example=[PUBLIC, "10.0.0.1"], six_example=[PUBLIC, "::1"])
    checker = Targets(resolver=names)
    assert "(10.0.0.1) is refused" in refusal(checker, "http://mixed.example/")
    assert "(::1) is refused" in refusal(checker, "http://six.example/")


def test_other_ports_than_those_of_http_need_to_be_allowed() -> None:
    names = Names(www_example=[PUBLIC])
    assert "port 22 is not allowed" in refusal(Targets(resolver=names), "http://www.example:22/")
    assert "port 443" not in check(Targets(resolver=names), "http://www.example:443/")
    opened = Targets(["*:8080"], resolver=names)
    assert check(opened, "http://www.example:8080/") == [PUBLIC]
    assert "port 8081" in refusal(opened, "http://www.example:8081/")
    assert "not a public address" in refusal(opened, "http://127.0.0.1:8080/")


def test_an_allowed_network_may_be_reached_on_any_port_and_an_address_on_the_one_it_names() -> None:
    checker = Targets(["10.0.0.0/8", "127.0.0.1:8080", "fd00::/8", "[::1]:9000"])
    for url in (
        "http://10.1.2.3/",
        "http://10.1.2.3:8000/",
        "http://127.0.0.1:8080/",
        "http://[fd00::1]:1234/",
        "http://[::1]:9000/",
        "http://[::ffff:10.1.2.3]:8000/",
    ):
        assert check(checker, url)
    for url in ("http://127.0.0.1/", "http://192.168.0.1/", "http://[::1]/", "http://11.0.0.1:1/"):
        refusal(checker, url)


def test_an_allowed_host_may_resolve_to_a_private_address_on_its_port_only() -> None:
    names = Names(hooks_internal=["10.0.0.9"], a_svc=["10.0.0.1"], svc=["10.0.0.1"])
    checker = Targets(["Hooks.Internal:8080", "*.svc"], resolver=names)
    names.names["hooks.internal."] = ["10.0.0.9"]
    assert check(checker, "http://HOOKS.internal.:8080/") == ["10.0.0.9"]
    assert check(checker, "http://hooks.internal:8080/x") == ["10.0.0.9"]
    assert check(checker, "http://a.svc/") == ["10.0.0.1"]
    refusal(checker, "http://hooks.internal/")
    refusal(checker, "http://hooks.internal:8081/")
    refusal(checker, "http://svc/")
    refusal(checker, "http://a.svc:8080/")


def test_the_deny_list_wins() -> None:
    names = Names(www_example=[PUBLIC], api_www_example=["1.1.1.1"], db_internal=["10.0.0.5"])
    checker = Targets(
        ["10.0.0.0/8", "db.internal:5432"],
        ["10.0.0.5", "www.example", "*.www.example", "8.8.8.0/24"],
        resolver=names,
    )
    for url in (
        "http://10.0.0.5/",
        "http://db.internal:5432/",
        "http://www.example/",
        "http://WWW.example/",
        "https://api.www.example/",
        "http://8.8.8.8/",
        "http://[64:ff9b::808:808]/",  # 8.8.8.8 behind NAT64
    ):
        assert "deny list" in refusal(checker, url)
    assert check(checker, "http://10.0.0.6/")


def test_https_only_refuses_http() -> None:
    checker = Targets(["127.0.0.0/8"], https_only=True)
    assert "only https" in refusal(checker, "http://127.0.0.1/")
    assert check(checker, "https://127.0.0.1/")


def test_a_name_without_an_address_is_not_a_refusal_since_it_may_get_one() -> None:
    names = Names(empty_example=[])
    for url in ("http://gone.example/", "http://empty.example/"):
        with pytest.raises(UnresolvedTargetError, match="cannot resolve"):
            check(Targets(resolver=names), url)


def test_a_resolver_that_answers_nonsense_is_refused() -> None:
    names = Names(odd_example=["127.1"])
    assert "not an address" in refusal(Targets(resolver=names), "http://odd.example/")


def test_an_answer_is_used_again_for_a_while_and_an_error_is_not() -> None:
    names = Names(www_example=[PUBLIC], bad_example=["10.0.0.1"])
    checker = Targets(resolver=names)

    async def ask() -> None:
        for _ in range(3):
            await asyncio.gather(
                *(checker.check(http_urls.parse("http://www.example/")) for _ in range(5))
            )
            with pytest.raises(TargetRefusedError):
                await checker.check(http_urls.parse("http://bad.example/"))

    asyncio.run(ask())
    assert names.asked.count("www.example") == 1
    assert names.asked.count("bad.example") == 3


def test_a_caller_that_gives_up_leaves_the_answer_to_the_others() -> None:
    async def ask() -> None:
        is_open = asyncio.Event()

        async def slow(_host: str, _port: int) -> Sequence[str]:
            await is_open.wait()
            return [PUBLIC]

        checker = Targets(resolver=slow)
        url = http_urls.parse("http://www.example/")
        first = asyncio.create_task(checker.check(url))
        second = asyncio.create_task(checker.check(url))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        is_open.set()
        assert (await second).addresses == (ipaddress.ip_address(PUBLIC),)

    asyncio.run(ask())


def test_what_is_remembered_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_MAX_NAMES", 10)
    names = Names(**{f"h{number}_example": [PUBLIC] for number in range(50)})
    checker = Targets(resolver=names)

    async def ask() -> None:
        for number in range(50):
            await checker.check(http_urls.parse(f"http://h{number}.example/"))

    asyncio.run(ask())
    assert len(checker._found) <= 10


def test_an_address_of_this_machine_is_not_public() -> None:
    assert targets.is_own(ipaddress.ip_address("127.0.0.1"))
    assert not targets.is_own(ipaddress.ip_address("8.8.8.8"))
    assert not targets.is_own(ipaddress.ip_address("192.0.2.1"))


def test_an_own_address_is_refused_although_it_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_can_bind", lambda address: address == PUBLIC)
    assert "not a public address" in refusal(Targets(), f"http://{PUBLIC}/")
    assert check(Targets([PUBLIC]), f"http://{PUBLIC}/")
    # A kernel that binds anything (net.ipv4.ip_nonlocal_bind) says nothing about it.
    monkeypatch.setattr(targets, "_can_bind", lambda _address: True)
    assert check(Targets(), f"http://{PUBLIC}/")


def test_localhost_is_refused_by_the_name_server_of_this_machine() -> None:
    assert "is not a public address" in refusal(Targets(), "http://localhost/")


@pytest.mark.parametrize(
    "entry",
    ["", "10.0.0.0/99", "10.0.0.1/8", "host:0", "host:99999", "host:x", "a b", "user@host", "*", 5],
)
def test_an_entry_that_is_no_network_or_host_is_named(entry: object) -> None:
    with pytest.raises(BadArgumentError, match="allow"):
        Targets([entry])  # type: ignore[list-item]
    with pytest.raises(BadArgumentError, match="deny must be a list"):
        Targets(deny="10.0.0.0/8")
