import asyncio

import grpc
import pytest

from blackhole.sdk import ERROR_TYPES, classify_error


class RpcFailure(Exception):  # noqa: N818
    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__("peer 12D3KooW… said no")
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "timeout"),
        (asyncio.CancelledError(), "cancelled"),
        (ConnectionRefusedError(), "connection"),
        (PermissionError(), "denied"),
        (KeyError("who"), "not_found"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, ""), "invalid"),
        (NotImplementedError(), "unimplemented"),
        (RuntimeError("secret"), "internal"),
    ],
)
def test_exceptions_are_told_by_their_class(error: BaseException, word: str) -> None:
    assert classify_error(error) == word


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_grpc_status_has_one_of_the_words(code: grpc.StatusCode) -> None:
    assert classify_error(RpcFailure(code)) in ERROR_TYPES


def test_a_grpc_status_says_more_than_the_class() -> None:
    assert classify_error(RpcFailure(grpc.StatusCode.DEADLINE_EXCEEDED)) == "timeout"
