"""Other servers are asked within limits, and never one inside the network; against real servers and sockets."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.stories.serving import free_port
from xrm.errors import AddressRefused, Unreachable
from xrm.kernel.outbound.addresses import is_public, read_networks, within
from xrm.kernel.outbound.http import Outbound
from xrm.testing import site_settings

INSIDE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:7f00:1::1",
    "nonsense",
]
OUTSIDE = ["8.8.8.8", "193.99.144.80", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_refused_however_they_are_written(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_of_the_internet_are_fine(address):
    assert is_public(address)


def test_a_network_that_is_allowed_holds_the_mapped_form_too():
    networks = read_networks(["10.1.0.0/16"])
    assert [within(a, networks) for a in ("10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "x")] == [True, True, False, False]


class Server:
    """Answers each connection with what the test gave it, byte for byte."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.answers: dict[bytes, bytes] = {}
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        self.seen.append(head + await reader.readexactly(length))
        answer = self.answers.get(head.split(b" ")[1], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        if answer == b"":
            await reader.read()  # until the client gives up
        writer.write(answer)
        writer.close()


@pytest.fixture
async def server():
    found = Server()
    async with await asyncio.start_server(found.serve, "127.0.0.1", 0) as listening:
        found.port = listening.sockets[0].getsockname()[1]
        found.url = f"http://127.0.0.1:{found.port}"
        yield found


@pytest.fixture
async def make(tmp_path):
    made = []

    def outbound(resolve=None, tls=None, allow=("127.0.0.0/8",), **settings):
        one = Outbound(
            site_settings(tmp_path, "sqlite:///x.db", outbound_allow=allow, outbound_seconds=0.5, **settings),
            resolve,
            tls,
        )
        made.append(one)
        return one

    yield outbound
    for one in made:
        await one.close()


async def test_a_server_is_asked(make, server):
    reply = await make().fetch("POST", server.url + "/x?a=1", {"X-Mine": "yes"}, b'{"a": 1}')
    assert (reply.status, reply.body, reply.url) == (200, b"ok", server.url + "/x?a=1")
    head, _, body = server.seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x?a=1 HTTP/1.1\r\n")
    assert b"x-mine: yes" in head.lower()
    assert f"host: 127.0.0.1:{server.port}".encode() in head.lower()
    assert body == b'{"a": 1}'


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0",
        "[::]",
    ],
)
async def test_nothing_inside_is_connected_to(make, server, host):
    with pytest.raises(Unreachable):  # AddressRefused where the system understands the notation at all
        await make(allow=()).fetch("GET", f"http://{host}:{server.port}/")
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http://a@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://127.0.0.1/\r\nx: y",
        "http://127.0.0.1:99999/",
        "http://exämple/ü",
        "gopher://x",
        "//127.0.0.1/",
        "http://" + "a" * 70 + ".example/",
    ],
)
async def test_what_is_no_address_is_refused(make, url):
    with pytest.raises(AddressRefused):
        await make().fetch("GET", url)


async def test_a_header_cannot_smuggle_another(make, server):
    with pytest.raises(AddressRefused):
        await make().fetch("GET", server.url, {"x": "a\r\nb: c"})
    assert server.seen == []


async def test_a_name_that_changes_its_address_gains_nothing(make, server):
    answers = [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"]]

    async def resolve(host, port):
        return answers.pop(0)

    outbound = make(resolve, allow=())
    with pytest.raises(AddressRefused):
        await outbound.fetch("GET", f"http://rebind.example:{server.port}/")
    with pytest.raises(Unreachable):  # only the public one is tried
        await outbound.fetch("GET", f"http://rebind.example:{server.port}/")
    assert answers == []
    assert server.seen == []


async def test_a_redirect_is_followed_where_it_is_asked_for_and_checked_like_the_first(make, server):
    async def resolve(host, port):
        return ["127.0.0.1"] if host == "good.example" else ["127.0.0.2" if host == "other.example" else "10.0.0.1"]

    base = f"http://good.example:{server.port}"

    def to(url):
        return f"HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n".encode()

    server.answers = {b"/in": to("http://inside.example/"), b"/on": to("/end"), b"/round": to("/round")}
    outbound = make(resolve, allow=("127.0.0.1",))
    assert (await outbound.fetch("GET", base + "/on")).status == 302
    assert (await outbound.fetch("GET", base + "/on", redirects=3)).url == base + "/end"
    assert (await outbound.fetch("POST", base + "/on", redirects=3)).status == 302
    assert (await outbound.fetch("GET", base + "/round", redirects=3)).status == 302
    with pytest.raises(AddressRefused):
        await outbound.fetch("GET", base + "/in", redirects=3)


async def test_a_redirect_to_another_server_takes_no_secrets_along(make, server):
    async def resolve(host, port):
        return ["127.0.0.1"]

    there = f"http://there.example:{server.port}/end"
    server.answers = {b"/out": f"HTTP/1.1 307 x\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n".encode()}
    secret = {"Authorization": "Bearer x", "x-plain": "1"}
    await make(resolve).fetch("GET", f"http://here.example:{server.port}/out", secret, redirects=1)
    first, second = (head.lower() for head in server.seen)
    assert b"authorization" in first
    assert b"authorization" not in second
    assert b"x-plain" in second


@pytest.mark.parametrize(
    "answer",
    [
        b"",  # nothing for long
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 5,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
    ],
)
async def test_what_takes_too_long_or_is_too_large_or_is_no_answer_is_an_error_of_ours(make, server, answer):
    server.answers = {b"/": answer}
    with pytest.raises(Unreachable):
        await make(outbound_bytes=2000).fetch("GET", server.url)


async def test_a_port_where_nobody_listens_is_unreachable(make):
    with pytest.raises(Unreachable):
        await make().fetch("GET", f"http://127.0.0.1:{free_port()}/")


# --- TLS --------------------------------------------------------------------------------------------------------------


def certificate(folder, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


async def test_a_certificate_must_be_that_of_the_name_although_an_address_is_connected_to(make, tmp_path):
    path = certificate(tmp_path, "hooks.example")
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(path)
    server = Server()

    async def resolve(host, port):
        return ["127.0.0.1"]

    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=there) as listening:
        port = listening.sockets[0].getsockname()[1]
        trusting = ssl.create_default_context(cafile=str(path))
        outbound = make(resolve, trusting)
        assert (await outbound.fetch("GET", f"https://hooks.example:{port}/")).body == b"ok"
        for stranger, name in ((outbound, "other.example"), (make(resolve), "hooks.example")):
            with pytest.raises(Unreachable):
                await stranger.fetch("GET", f"https://{name}:{port}/")
