"""A URL has one meaning: what parsers disagree about is refused, and so are headers that split."""

from __future__ import annotations

import pytest

from qless_py.errors import BadArgumentError
from qless_py.protocol import http_urls


@pytest.mark.parametrize(
    ("url", "text", "target"),
    [
        ("http://example.com", "http://example.com/", "example.com:80"),
        ("HTTPS://Example.COM/A?b=c#d", "https://example.com/A?b=c", "example.com:443"),
        ("http://example.com:8080/%7Ea", "http://example.com:8080/%7Ea", "example.com:8080"),
        ("http://example.com:80/", "http://example.com/", "example.com:80"),
        ("https://example.com?x=1", "https://example.com/?x=1", "example.com:443"),
        ("http://[0:0::1]:9/", "http://[::1]:9/", "[::1]:9"),
        ("http://127.0.0.1/", "http://127.0.0.1/", "127.0.0.1:80"),
        ("http://xn--bcher-kva.example./", "http://xn--bcher-kva.example./", None),
        ("http://my_service:8000/", "http://my_service:8000/", "my_service:8000"),
        ("http://a.1a/", "http://a.1a/", "a.1a:80"),
    ],
)
def test_a_url_has_one_form(url: str, text: str, target: str | None) -> None:
    parsed = http_urls.parse(url)
    assert parsed.text == text
    assert target is None or parsed.target == target
    assert http_urls.parse(text) == parsed


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "is not text"),
        ("", "does not start with http"),
        ("example.com/x", "does not start with http"),
        ("ftp://example.com/", "does not start with http"),
        ("file:///etc/passwd", "does not start with http"),
        ("gopher://example.com/", "does not start with http"),
        ("//example.com/", "does not start with http"),
        ("http:///path", "no valid host"),
        ("http://:80/", "no valid host"),
        ("http:example.com", "no valid host"),
        ("http://user:hunter2@example.com/", "user name or password"),
        ("http://@example.com/", "user name or password"),
        ("http://example.com@evil.example/", "user name or password"),
        ("http://127.1/", "four decimal numbers"),
        ("http://0x7f.1/", "four decimal numbers"),
        ("http://0x7f000001/", "four decimal numbers"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://0177.0.0.1/", "four decimal numbers"),
        ("http://127.0.0.1./", "four decimal numbers"),
        ("http://127.0.0.256/", "four decimal numbers"),
        ("http://①②⑦.⓪.⓪.①/", "outside ASCII"),
        ("http://bücher.example/", "outside ASCII"),
        ("http://example。com/", "outside ASCII"),
        ("http://example.com/a b", "spaces"),
        ("http://example.com/\r\nHost: evil", "control characters"),
        ("http://example.com/\x00", "control characters"),
        ("\thttp://example.com/", "control characters"),
        ("http://example.com\\@evil.example/", r"holds '\\\\'"),
        ("http://example.com/\\..\\x", r"holds '\\\\'"),
        ("http://evil.example%2f@example.com/", "user name"),
        ("http://example%2ecom/", "no valid host"),
        ("http://example.com/%zz", "without two hexadecimal digits"),
        ("http://[fe80::1%25eth0]/", "no valid host"),
        ("http://[fe80::1%eth0]/", "hexadecimal|no valid host|not a URL"),
        ("http://[::1", "not a URL"),
        ("http://[::g]/", "no valid host|not a URL|not an IPv6"),
        ("http://[1.2.3.4]/", "not a URL|not an IPv6"),
        ("http://example.com:0/", "no port"),
        ("http://example.com:65536/", "no port"),
        ("http://example.com:8x/", "no valid host"),
        ("http://example.com:/", "no valid host"),
        ("http://-a.example/", "is not a host name"),
        ("http://a..b/", "is not a host name"),
        (f"http://{'a' * 64}.example/", "is not a host name"),
        (f"http://{'a.' * 127}example/", "is not a host name"),
        ("http://example.com/" + "x" * 2083, "more than 2083"),
    ],
)
def test_a_url_with_two_meanings_is_refused(url: str | None, message: str) -> None:
    with pytest.raises(BadArgumentError, match=message) as caught:
        http_urls.parse(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Content-Length", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Trailer"),
        *("Keep-Alive", "Expect", "Accept-Encoding", "Proxy-Authorization", "Proxy-Connection"),
        *("Qless-Jid", "webhook-signature", "Webhook-Id", "X-CloudTasks-TaskName", "X-Task-Id"),
    ],
)
def test_headers_that_the_sender_sets_are_refused_in_any_case(name: str) -> None:
    for one in (name, name.lower(), name.upper()):
        with pytest.raises(BadArgumentError, match="the sender sets it"):
            http_urls.headers({one: "x"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([("a", "b")], "not a mapping"),
        ({"": "x"}, "not the name of a header"),
        ({"a b": "x"}, "not the name of a header"),
        ({"a:": "x"}, "not the name of a header"),
        ({"a\r\nb": "x"}, "not the name of a header"),
        ({"ä": "x"}, "not the name of a header"),
        ({5: "x"}, "not the name of a header"),
        ({"X-A": "secret\r\nX-B: c"}, "line breaks"),
        ({"X-A": "secret\n"}, "line breaks"),
        ({"X-A": "secret\x00"}, "line breaks"),
        ({"X-A": "secret\x7f"}, "line breaks"),
        ({"X-A": "secret é"}, "outside ASCII"),
        ({"X-A": 5}, "is not text"),
        ({"X-A": "1", "x-a": "2"}, "twice"),
        ({f"X-{number}": "x" for number in range(51)}, "more than 50"),
        ({"X-A": "x" * 17_000}, "more than 16384"),
    ],
)
def test_headers_that_split_or_swell_a_request_are_refused(given: object, message: str) -> None:
    with pytest.raises(BadArgumentError, match=message) as caught:
        http_urls.headers(given)
    assert "secret" not in str(caught.value)


def test_other_headers_pass_without_the_space_around_their_values() -> None:
    given = {"Authorization": "Bearer x", "content-type": " text/plain ", "User-Agent": "me"}
    assert http_urls.headers(given) == {**given, "content-type": "text/plain"}
