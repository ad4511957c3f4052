"""The scrubber lets categories through and nothing that names somebody."""

import base64
import string
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.guard.scrub import REDACTED, clean_body, clean_name, clean_text, clean_value, names_somebody

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
]


@pytest.mark.parametrize("identity", IDENTITIES)
def test_an_identity_is_redacted_alone_and_within_other_text(identity: str) -> None:
    for text in (identity, f"failed for {identity} today", f"x={identity}", f"of_{identity}_"):
        assert clean_text(text) == REDACTED


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


@pytest.mark.parametrize("piece", ["a", "a.", "a://", "a:", "a@", "1(", "1.", "%61", "bearer= ", "x-", "?a"])
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
