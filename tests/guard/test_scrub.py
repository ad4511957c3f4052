"""The scrubber lets categories through and nothing that names somebody."""

import base64
import importlib
import pkgutil
import string
import time
import uuid
from enum import Enum
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.semconv._incubating import attributes as conventions

from blackhole.catalogue.load import load
from blackhole.privacy.scrub import REDACTED, clean_body, clean_name, clean_text, clean_value, names_somebody

IDENTITIES = [
    "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf",
    "16Uiu2HAmQ1pVcTd1gDkVgqkQ9V4uKfVSZSSPHyGmMFh7cFJqBBBB",
    "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
    "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8",
    "/ip4/10.0.0.7/tcp/4001/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf",
    "/dns4/node.example/tcp/443",
    "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234",
    "192.168.1.17",
    "peer at 203.0.113.9:4001",
    "2001:db8::8a2e:370:7334",
    "[fe80::1]:4001",
    "::1",
    "::ffff:192.0.2.128",
    "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    "did:web:example.org",
    "alice@example.org",
    "Alice <alice.smith+tag@mail.example.co.uk>",
    "https://alice:secret@example.org/",
    "https://example.org/path?user=alice",
    "/profile?id=77",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "6BA7B8109DAD11D180B400C04FD430C8",
    "0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "Bearer abcdef123456",
    "password=hunter22",
    "AKIAIOSFODNN7EXAMPLE",
    "/home/alice/.config",
    "/Users/Alice Smith/Documents",
    r"C:\Users\alice\AppData",
    "~/secrets",
    "+49 170 1234567",
    "4111 1111 1111 1111",
    "deadbeefcafebabe",
    "DEADBEEFDEADBEEFDEADBEEF",
    "00:1a:2B:3c:4d:5e",
    "00-1a-2b-3c-4d-5e",
    "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd.onion",
    "npub1sn0wdenkukak0d9dfczzeacvhkrgz92ak56egt7vdgzn8pv2wfqqhrjdv9",
    "/ipfs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi/kad/",
    "/ipfs/somebody",
    "kzwfwjn5ji4puw4tmuq6gkgsqsvsg6r0iyfrpwvj8qcxa0ghabr1zz00kmcy7v2",
    "k2k4r8jl0yz8qjgqbmc2cdu5hkqek5rj6flgnlkyywynci20j0iuyfuj",
    "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA",
    "uAVUSIFa7gK5M1NqXKjTIVQ4NUSGxZ3YrMHJm5oD5QXqHPq0d",
    "BAFYBEIGDYRZT5SFP7UDM7HU76UH7Y26NF3EFUYLQABF3OCLGTQY55FBZDI",
    "f01701220c3c4733ec8affd06cf9e9ff50ffc6bcd2ec85a6170004bb709669c31de94391a",
    "/unix/tmp/socket",
    "ip-10-0-0-17.ec2.internal",
    "::ffff:c0a8:101",
    "fe80::1ff:fe23:4567:890a%eth0",
    "[fe80::1%25eth0]:4001",
    "did%3Aweb%3Aexample.org",
    "did%253Aweb%253Aexample.org",
    "DID:PLC:ewvi7nxzyoun6zhxrhs64oiz",
    "jürgen@münchen.example",
    "用户@例子.广告",
    "alice@localhost",
    "alice(at)example.org",
    "alice [at] example.org",
    "alice&#64;example.org",
    r"alice\u0040example.org",
    "@alice",
    "@alice:matrix.example.org",
    "at://alice.example.social/app.feed.post",
    "ftp://alice@example.org",
    "/profile?user[]=alice",
    "6ba7b810_9dad_11d1_80b4_00c04fd430c8",
    "{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
    "8a6f1c2d 0b7e4f3a 9c5d6e1f 2a3b4c5d",
    "ghr_1B4a2e77838347a7E420ce178F2E7c6912E169246c34E1ccbF66C46812d16D5B1A9Dc86A1498",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "xapp-1-A0123456",
    "ya29.a0AfH6SMBx",
    "-----BEGIN PRIVATE KEY-----",
    "Authorization: Basic dXNlcjpwYXNz",
    "cookie=abcd1234",
    '"password": "hunter22"',
    "~alice/notes",
    "C:/Users/alice/AppData",
    r"C:\Documents and Settings\alice",
    "/mnt/c/Users/alice",
    "1a2b.3c4d.5e6f",
    "00_1a_2b_3c_4d_5e",
    "expyuzz4wqqyqhjn.onion",
    "somebody.i2p",
    "(555) 123-4567",
    "+1.555.123.4567",
    "DE89 3704 0044 0532 0130 00",
    "4111-1111-1111-1111",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
]
CATEGORIES = [
    "/ipfs/kad/1.0.0",
    "/ipfs/lan/kad/1.0.0",
    "/ipfs/bitswap/1.2.0",
    "CamelCaseLongClassNameForTesting",
    "AbstractHttp2ConnectionHandlerBuilder",
    "bootstrap",
    "network",
    "SPAN_KIND_SERVER",
    "STATUS_CODE_ERROR",
    "identity",
    "p2p-node",
    "blackhole.v1.IdentityService",
    "GetProfileForMobileDevices",
    "/blackhole.v1.Identity/ResolveMany",
    "/api/v1/items/{id}",
    "/users/{id}",
    "/users/:name/posts",
    "HTTP_METHOD_NOT_ALLOWED",
    "image/png",
    "eu-west-1",
    "postgresql",
    "v1.2.3",
    "3.11.7",
    "404",
    "a",
    "",
    "application/vnd.blackhole+json",
    "opentelemetry-instrumentation-requests",
    "browser.page_view",
    "CONNECTION_REFUSED_BY_REMOTE_HOST",
    "/libp2p/circuit/relay/0.2.0/hop",
    "/meshsub/1.1.0",
    "go-libp2p/0.38.1",
    "1.2.3-rc.1",
    "2026.11.23",
    "2026-11-23T10:11:12Z",
    "started at 2026-11-23 10:11:12",
    "10:11:12",
    "std::deque",
    "core::cache",
    "tokio::net::TcpStream",
    "x86_64-unknown-linux-gnu",
    "TLS_AES_256_GCM_SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "sha256WithRSAEncryption",
    "secp256k1",
    "utf8mb4_0900_ai_ci",
    "com.fasterxml.jackson.databind.ObjectMapper",
    "getElementsByTagName",
    "loadTestsFromTestCase",
    "@opentelemetry/api",
    "token bucket",
    "Basic Auth",
    "secret rotation",
    "R&D",
    "http://localhost:8080/x",
    "{controller}/{action}/{id?}",
]


@pytest.mark.parametrize("identity", IDENTITIES)
def test_an_identity_is_redacted_alone_and_within_other_text(identity: str) -> None:
    for text in (
        identity,
        f"failed for {identity} today",
        f"x={identity}",
        f"of_{identity}_",
        f'["{identity}"]',
    ):
        assert clean_text(text) == REDACTED


def test_names_keys_and_values_of_the_catalogue_and_the_conventions_are_kept() -> None:
    catalogue = load()
    words = {entry.name for entry in catalogue}
    words |= {
        word for entry in catalogue for key in entry.kept_keys for word in (key, *entry.values.get(key, ()))
    }
    for module in pkgutil.iter_modules(conventions.__path__, conventions.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Enum):
                words |= {str(one.value) for one in value}
    assert len(words) > 1000
    assert [word for word in sorted(words) if names_somebody(word)] == []


BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(raw: bytes) -> str:
    number, text = int.from_bytes(raw), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().lower().rstrip("=")


HASHES = st.binary(min_size=32, max_size=32)
EVERY_KIND = {
    "peer id": HASHES.map(lambda raw: base58(b"\0\x24\x08\x01\x12\x20" + raw)),
    "peer id, hashed": HASHES.map(lambda raw: base58(b"\x12\x20" + raw)),
    "peer id, secp256k1": HASHES.map(lambda raw: base58(b"\0\x25\x08\x02\x12\x21\x02" + raw)),
    "CIDv1": HASHES.map(lambda raw: "b" + base32(b"\x01\x70\x12\x20" + raw)),
    "IPv4": st.ip_addresses(v=4).map(str),
    "IPv6": st.ip_addresses(v=6).filter(lambda address: int(address) > 0).map(str),
    "IPv6, mapped": st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    "multiaddr": st.ip_addresses(v=4).map(lambda address: f"/ip4/{address}/tcp/4001"),
    "DID": HASHES.map(lambda raw: f"did:key:z{base58(raw)}"),
    "mail": st.from_regex(r"[a-z0-9]{1,8}@[a-z]{1,8}\.(?:org|net)", fullmatch=True),
    "UUID": st.uuids().map(str),
    "UUID without dashes": st.uuids().map(lambda value: value.hex),
    "address of a chain": st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}"),
    "hardware address": st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":")),
    "onion name": st.binary(min_size=35, max_size=35).map(lambda raw: f"{base32(raw)}.onion"),
    "token": st.from_regex(r"gh[ps]_[A-Za-z0-9]{36}", fullmatch=True),
    "home": st.from_regex(r"/(?:home|Users)/[a-z]{1,8}", fullmatch=True),
    "card": st.from_regex(r"4\d{3}[ -]\d{4}[ -]\d{4}[ -]\d{4}", fullmatch=True),
}
BEFORE = (
    "",
    " ",
    "failed for ",
    "x=",
    "x:",
    "id_",
    "peer-",
    "a/",
    "(",
    "[",
    "{",
    '"',
    "'",
    "<",
    ",",
    ";",
    "|",
    "é ",
    "\n",
)
AFTER = ("", " ", " is gone", "_x", "-b", "/b", ")", "]", "}", '"', "'", ">", ",", ";", "|", " é", "\n")


@pytest.mark.parametrize("kind", EVERY_KIND)
@given(data=st.data(), before=st.sampled_from(BEFORE), after=st.sampled_from(AFTER))
def test_every_identity_is_redacted_in_any_surroundings(
    kind: str, data: st.DataObject, before: str, after: str
) -> None:
    identity = data.draw(EVERY_KIND[kind])
    for text in (before + identity + after, quote(before + identity + after, safe="")):
        assert names_somebody(text), text


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_is_kept_as_it_is(category: str) -> None:
    assert clean_text(category) == category


@given(st.uuids(), st.booleans())
def test_every_uuid_is_redacted(value: uuid.UUID, dashes: bool) -> None:
    assert names_somebody(str(value) if dashes else f"id-{value}")


@given(st.binary(min_size=16, max_size=64))
def test_every_long_hexadecimal_text_is_redacted(raw: bytes) -> None:
    assert names_somebody(raw.hex())


@given(st.ip_addresses())
def test_every_ip_address_is_redacted(address: object) -> None:
    assert clean_text(str(address)) == REDACTED


@given(
    st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12),
    st.text(string.ascii_lowercase, min_size=1, max_size=12),
)
def test_every_mail_address_is_redacted(user: str, domain: str) -> None:
    assert clean_text(f"{user}@{domain}.org") == REDACTED


def test_almost_all_random_base64_is_redacted() -> None:
    import random  # noqa: PLC0415

    chance = random.Random(7)
    missed = sum(
        not names_somebody(base64.b64encode(chance.randbytes(24)).decode().rstrip("=")) for _ in range(2000)
    )
    assert missed < 20


@pytest.mark.parametrize(
    "disguised",
    [
        "alice\u200b@example.org",
        "alice%40example.org",
        "\uff41lice@example.org",
        "192.168.1\u200b.17",
        "%2Fip4%2F10.0.0.7%2Ftcp%2F4001",
    ],
)
def test_a_disguise_does_not_help(disguised: str) -> None:
    assert clean_text(disguised) == REDACTED


def test_values_that_are_no_categories_are_redacted_or_dropped() -> None:
    assert clean_value(404) == 404
    assert clean_value(49170123456789) == REDACTED
    assert clean_value(float("nan")) == REDACTED
    assert clean_value(value=True) is True
    assert clean_value(b"\x01\x02") is None
    assert clean_value(["a", "b"]) is None
    assert clean_value({"a": 1}) is None
    assert clean_text("x" * 201) == REDACTED


def test_a_name_is_cut_to_64_characters_and_scrubbed() -> None:
    assert clean_name("n." * 60) == ("n." * 60)[:64]
    assert clean_name("p2p.12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf.x") == REDACTED
    assert clean_name("") == "(no name)"


@pytest.mark.parametrize(
    "piece",
    ["a", "a.", "a://", "a:", "a@", "1(", "1.", "%61", "bearer= ", "x-", "?a", "a1", "ab:", "face ", "&#64;"],
)
def test_long_texts_are_searched_in_time(piece: str) -> None:
    """A pattern that tries every start and every end would take minutes."""
    began = time.process_time()
    names_somebody(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 5


def test_a_body_is_kept_only_if_all_of_it_names_nobody() -> None:
    assert clean_body("cache\nis warm") == "cache is warm"
    assert clean_body("a b " * 500) == "a b " * 250
    assert clean_body("a b " * 400 + " 10.1.2.3") == REDACTED


@pytest.mark.parametrize(
    "name",
    [
        "app.named.203.0.113.183.count",
        "app.named.2001:db8:ca7a:57e5:d00d::80b8.count",
        "AKIAIOSFODNNQEXAMPLE",
        "cnrycnbmymsfelzlxhbndgqfbenjsbpuhcioskavwjdurycxgsthmsab.onion",
        "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p",
    ],
)
def test_identities_that_are_parts_of_names_or_look_like_words_are_known(name: str) -> None:
    assert names_somebody(name)


@pytest.mark.parametrize("version", ["1.2.3", "go1.22.3.4.5", "app.v1.2.count", "12:34:56", "AKIA", "ASIAN"])
def test_versions_times_and_words_are_no_addresses(version: str) -> None:
    assert not names_somebody(version)
