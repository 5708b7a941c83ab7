"""The sender: what it sends, what it keeps, and that nothing leads it to another address."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from qless_py.protocol import http_urls
from qless_py.push import sender as sender_module
from qless_py.push.sender import KEPT_BODY, Sender, SendResult
from qless_py.push.targets import Targets
from tests.push.servers import answer, read_request, recording, serving

LOOPBACK = ("127.0.0.0/8", "::1")


def run(conversation: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(conversation(), 20))


async def send(
    url: str, method: str = "POST", *, using: Sender | None = None, **more: Any
) -> SendResult:
    given = {"headers": {}, "body": b"", "timeout": 5.0, **more}
    if using is not None:
        return await using.send(method, http_urls.parse(url), **given)
    async with Sender(Targets(LOOPBACK)) as own:
        return await own.send(method, http_urls.parse(url), **given)


def test_a_request_arrives_as_it_was_given_and_the_answer_comes_back() -> None:
    async def talk() -> None:
        said = answer("201 Created", b"done", "X-Kept: yes", "Set-Cookie: a=b")
        async with recording(said) as server:
            sent = {"X-One": "1", "Content-Type": "text/plain", "Cookie": "own=1"}
            result = await send(f"{server.url}/a%2Fb?c=%20d", headers=sent, body=b"hello")
            (request,) = server.requests
            assert (request.method, request.path) == ("POST", "/a%2Fb?c=%20d")
            assert request.body == b"hello"
            # A Sentry that another test has started in this process adds headers of its own.
            sent_by_us = request.headers.keys() - {"baggage", "sentry-trace"}
            assert {name: request.headers[name] for name in sent_by_us} == {
                "host": f"127.0.0.1:{server.port}",
                "user-agent": sender_module.USER_AGENT,
                "accept-encoding": "identity",
                "accept": "*/*",
                "content-length": "5",
                "x-one": "1",
                "content-type": "text/plain",
                "cookie": "own=1",
            }
            assert (result.outcome, result.status, result.body) == ("response", 201, b"done")
            assert result.headers["x-kept"] == "yes"
            assert result.seconds > 0

    run(talk)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method_is_sent(method: str) -> None:
    async def talk() -> None:
        async with recording() as server:
            assert (await send(server.url, method)).status == 200
            assert [one.method for one in server.requests] == [method]

    run(talk)


def test_a_user_agent_of_the_user_replaces_ours() -> None:
    async def talk() -> None:
        heads: list[bytes] = []

        async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append((await reader.readuntil(b"\r\n\r\n")).lower())
            writer.write(answer())

        async with serving(hello) as port:
            await send(f"http://127.0.0.1:{port}/", "GET", headers={"user-agent": "mine"})
        assert heads[0].count(b"user-agent:") == 1
        assert b"user-agent: mine\r\n" in heads[0]

    run(talk)


def test_connections_are_used_again_and_cookies_are_not_kept() -> None:
    async def talk() -> None:
        async with recording(answer("200 OK", b"", "Set-Cookie: a=b")) as server:
            async with Sender(Targets(LOOPBACK)) as sender:
                for _ in range(3):
                    await send(server.url, using=sender)
            assert server.connections == 1
            assert all("cookie" not in one.headers for one in server.requests)

    run(talk)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 T", "308 P"])
def test_a_redirect_to_a_metadata_service_is_returned_and_not_followed(status: str) -> None:
    async def talk() -> None:
        where = "Location: http://169.254.169.254/latest/meta-data/"
        async with recording(answer(status, b"", where)) as server:
            result = await send(server.url)
            assert result.status == int(status[:3])
            assert len(server.requests) == 1

    run(talk)


def test_proxies_and_netrc_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    async def talk() -> None:
        async with recording() as proxy, recording() as server:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            assert (await send(server.url)).status == 200
            assert not proxy.requests
            assert "authorization" not in server.requests[0].headers

    run(talk)


class Rebinding:
    """A name server that answers something else each time it is asked."""

    def __init__(self, *answers: str) -> None:
        self.left = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return [self.left.pop(0)]


def test_a_name_that_changes_between_check_and_connection_is_connected_as_checked() -> None:
    async def talk() -> None:
        async with recording() as server:
            # The first answer is judged. A second question would get the address of the server.
            names = Rebinding("127.0.0.9", "127.0.0.1")
            targets = Targets(["127.0.0.9"], resolver=names)
            async with Sender(targets) as sender:
                result = await send(f"http://rebind.example:{server.port}/", using=sender)
            assert result.outcome == "unreachable"
            assert "127.0.0.9" in result.detail or "rebind.example" in result.detail
            assert names.asked == 1
            assert server.connections == 0

    run(talk)


def test_a_name_that_turns_private_after_a_good_request_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qless_py.push.targets._KEPT", -1.0)

    async def talk() -> None:
        async with recording() as server:
            names = Rebinding("127.0.0.1", "127.0.0.2", "127.0.0.1")
            targets = Targets([f"127.0.0.1:{server.port}"], resolver=names)
            async with Sender(targets) as sender:
                url = f"http://rebind.example:{server.port}/"
                assert (await send(url, using=sender)).status == 200
                assert (await send(url, using=sender)).outcome == "refused"
                assert (await send(url, using=sender)).status == 200

    run(talk)


def test_the_host_of_the_url_is_sent_and_not_the_address() -> None:
    async def talk() -> None:
        async with recording() as server:
            targets = Targets(LOOPBACK, resolver=Rebinding("127.0.0.1"))
            async with Sender(targets) as sender:
                await send(f"http://WWW.example:{server.port}/", using=sender)
            assert server.requests[0].headers["host"] == f"www.example:{server.port}"

    run(talk)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_addresses_of_both_families_are_connected_to() -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        assert request is not None
        writer.write(answer(body=request.headers["host"].encode()))

    async def both(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.9", "::1"]

    async def talk() -> None:
        async with serving(hello, host="::1") as port:
            literal = await send(f"http://[0:0::1]:{port}/", "GET")
            assert literal.body == f"[::1]:{port}".encode()
            # Only one of the addresses answers.
            async with Sender(Targets(LOOPBACK, resolver=both)) as sender:
                named = await send(f"http://two.example:{port}/", "GET", using=sender)
            assert named.body == f"two.example:{port}".encode()

    run(talk)


def test_a_socket_for_any_other_address_is_not_opened() -> None:
    async def talk() -> None:
        async with recording() as server:
            # As if the connector had found an address by a way of its own.
            checked = await Targets(["127.0.0.9"]).check(http_urls.parse("http://127.0.0.9/"))
            token = sender_module._checked.set(checked)
            place = ("127.0.0.1", server.port)
            info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", place)
            with pytest.raises(sender_module.AddressNotCheckedError, match="was not checked"):
                sender_module._open_socket(info)
            with pytest.raises(sender_module.AddressNotCheckedError, match="was not checked"):
                await sender_module._CheckedResolver().resolve("other.example", 80)
            sender_module._checked.reset(token)

    run(talk)


def test_a_connector_that_resolves_by_itself_still_reaches_no_unchecked_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def talk() -> None:
        async with recording() as server:

            async def astray(_self: object, host: str, port: int = 0, **_: Any) -> list[Any]:
                found = {"hostname": host, "host": "127.0.0.1", "port": port}
                return [{**found, "family": socket.AF_INET, "proto": 0, "flags": 0}]

            monkeypatch.setattr(sender_module._CheckedResolver, "resolve", astray)
            targets = Targets(LOOPBACK, resolver=Rebinding("127.0.0.9"))
            async with Sender(targets) as sender:
                result = await send(f"http://a.example:{server.port}/", using=sender)
            assert result.outcome == "refused"
            assert server.connections == 0

    run(talk)


def test_without_permission_nothing_reaches_this_machine() -> None:
    async def talk() -> None:
        async with recording() as server, Sender() as sender:
            for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]"):
                result = await send(f"http://{host}:{server.port}/", using=sender)
                assert result.outcome == "refused", host
            assert server.connections == 0

    run(talk)


@contextlib.asynccontextmanager
async def answering(*parts: bytes, repeat: bytes = b"") -> AsyncIterator[tuple[str, list[int]]]:
    """Serve one answer: first these parts, then `repeat` for ever; count what was taken."""
    taken = [0]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await read_request(reader) is None:
            return
        for part in parts:
            writer.write(part)
        while repeat:
            writer.write(repeat)
            await writer.drain()
            taken[0] += len(repeat)

    async with serving(talk) as port:
        yield f"http://127.0.0.1:{port}/", taken


def test_of_a_body_without_end_64_kib_are_kept_and_the_rest_is_not_read() -> None:
    async def talk() -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
        async with answering(head, repeat=b"x" * 65536) as (url, taken):
            result = await send(url, "GET")
            assert (result.status, len(result.body), result.is_cut) == (200, KEPT_BODY, True)
            assert taken[0] < 20_000_000

    run(talk)


def test_a_body_of_exactly_64_kib_is_whole() -> None:
    async def talk() -> None:
        async with recording(answer(body=b"y" * KEPT_BODY)) as server:
            result = await send(server.url)
            assert (len(result.body), result.is_cut) == (KEPT_BODY, False)

    run(talk)


def test_a_compressed_body_is_not_unpacked() -> None:
    async def talk() -> None:
        async with recording(
            answer("200 OK", b"\x1f\x8b bomb", "Content-Encoding: gzip")
        ) as server:
            assert (await send(server.url)).body == b"\x1f\x8b bomb"

    run(talk)


@pytest.mark.parametrize(
    ("parts", "repeat", "outcomes"),
    [
        ([], b"", ("protocol",)),  # closes at once
        ([b"220 smtp ready\r\n"], b"", ("protocol",)),
        ([b"HTTP/1.1 abc OK\r\n\r\n"], b"", ("protocol",)),
        ([b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n"], b"", ("protocol",)),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], b"", ("protocol",)),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"], b"", ("protocol",)),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], b"", ("protocol",)),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"], b"", ("protocol",)),
        ([b"HTTP/1.1 200 " + b"a" * 100_000], b"", ("protocol",)),
        ([b"HTTP/1.1 200 OK\r\n"], b"X-Again: and again\r\n" * 200, ("protocol",)),
        ([b"HTTP/1.1 200 OK\r\nX: "], b"a" * 4096, ("protocol",)),
        ([], b"a" * 4096, ("protocol",)),
        ([], b"\x00\xff" * 100, ("protocol",)),
        ([b"\x16\x03\x01\x02"], b"", ("protocol",)),
    ],
)
def test_what_is_no_http_ends_the_request(
    parts: list[bytes], repeat: bytes, outcomes: Sequence[str]
) -> None:
    async def talk() -> None:
        async with answering(*parts, repeat=repeat) as (url, taken):
            result = await send(url, "GET")
            assert result.outcome in outcomes, result
            assert result.detail
            assert len(result.detail) < 400
            assert taken[0] < 20_000_000

    run(talk)


def test_a_target_that_never_answers_or_drips_ends_at_the_deadline() -> None:
    async def talk() -> None:
        for parts, pause in (
            ([], 60.0),
            ([b"HTTP/1.1 200 OK\r\nX: "], 0.01),
            ([b"HTTP/1.1 200 OK\r\n\r\n"], 0.01),
            ([b"HTTP/1.1 100 Continue\r\n\r\n"], 60.0),
        ):

            async def drip(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                parts: list[bytes] = parts,
                pause: float = pause,
            ) -> None:
                await read_request(reader)
                for part in parts:
                    writer.write(part)
                while True:
                    await asyncio.sleep(pause)
                    writer.write(b"a")
                    await writer.drain()

            async with serving(drip) as port:
                result = await send(f"http://127.0.0.1:{port}/", timeout=0.15)
                assert result.outcome == "timeout"
                assert "within 0.15 s" in result.detail

    run(talk)


def test_the_deadline_covers_the_name_server() -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async def talk() -> None:
        async with Sender(Targets(resolver=never)) as sender:
            result = await send("http://slow.example/", using=sender, timeout=0.1)
            assert result.outcome == "timeout"

    run(talk)


def test_a_closed_port_and_an_unknown_name_are_unreachable() -> None:
    async def talk() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            result = await send(f"http://127.0.0.1:{taken.getsockname()[1]}/")
        assert result.outcome == "unreachable"

        async def unknown(_host: str, _port: int) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        async with Sender(Targets(resolver=unknown)) as sender:
            result = await send("http://gone.example/", using=sender)
            assert (result.outcome, "cannot resolve gone.example" in result.detail) == (
                "unreachable",
                True,
            )

    run(talk)


def test_tls_to_a_server_without_tls_fails() -> None:
    async def talk() -> None:
        async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 smtp ready\r\n")
            await writer.drain()

        async with serving(plain) as port:
            result = await send(f"https://127.0.0.1:{port}/")
            assert result.outcome in ("unreachable", "protocol")

    run(talk)


def test_the_certificate_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "hooks.example")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def talk() -> None:
        async with recording(tls=served) as server:
            names = {"hooks.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}

            async def resolver(host: str, _port: int) -> Sequence[str]:
                return names[host]

            targets = Targets(LOOPBACK, https_only=True, resolver=resolver)
            async with Sender(targets, tls=authority) as sender:
                good = await send(f"https://hooks.example:{server.port}/", using=sender)
                bad = await send(f"https://other.example:{server.port}/", using=sender)
                plain = await send(f"http://hooks.example:{server.port}/", using=sender)
            assert (good.outcome, good.status) == ("response", 200)
            assert (bad.outcome, "ertificate" in bad.detail) == ("unreachable", True)
            assert plain.outcome == "refused"
            async with Sender(targets) as sender:  # Nobody here knows that authority.
                unknown = await send(f"https://hooks.example:{server.port}/", using=sender)
            assert unknown.outcome == "unreachable"
            assert len(server.requests) == 1

    run(talk)


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """Write a certificate for a name, with its key; return a client context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    return ssl.create_default_context(cafile=folder / "cert.pem")


def test_a_cancelled_request_closes_its_connection() -> None:
    async def talk() -> None:
        is_closed = asyncio.Event()
        has_come = asyncio.Event()

        async def wait(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            has_come.set()
            await reader.read()
            is_closed.set()

        async with serving(wait) as port, Sender(Targets(LOOPBACK)) as sender:
            task = asyncio.create_task(send(f"http://127.0.0.1:{port}/", using=sender))
            await has_come.wait()
            task.cancel()
            await is_closed.wait()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(talk)


def test_two_hundred_requests_run_at_once() -> None:
    async def talk() -> None:
        arrived = [0]
        all_here = asyncio.Event()

        async def together(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            arrived[0] += 1
            if arrived[0] == 200:
                all_here.set()
            await all_here.wait()
            writer.write(answer())

        async with serving(together) as port, Sender(Targets(LOOPBACK)) as sender:
            url = f"http://127.0.0.1:{port}/"
            results = await asyncio.gather(
                *(send(url, using=sender, timeout=15.0) for _ in range(200))
            )
            assert {one.status for one in results} == {200}

    run(talk)


def test_a_body_of_json_arrives_whole() -> None:
    async def talk() -> None:
        async with recording() as server:
            body = json.dumps({"k": "☃" * 50_000}).encode()
            await send(server.url, body=body)
            assert server.requests[0].body == body

    run(talk)
