"""Forgetting says in its own words what keeps it from erasing."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Any, cast

import pytest

from blackhole.app.forgetting import Forgetting
from blackhole.errors import OverloadedError
from blackhole.model.erasure import Forget


class Full:
    """A pipeline whose points cannot be written."""

    def settle(self, *, close_window: bool) -> Iterable[Future[None]]:
        assert not close_window
        future: Future[None] = Future()
        future.set_exception(OverloadedError("the points are not stored yet: send again", retry_after=2.0))
        return [future]


def test_when_what_came_before_cannot_be_written_nothing_is_erased_and_the_reason_is_told() -> None:
    forgetting = Forgetting(cast(Any, None), cast(Any, Full()), cast(Any, None), nullcontext)
    with pytest.raises(OverloadedError, match=r"nothing was erased: .* disk") as raised:
        asyncio.run(forgetting.forget(Forget(metric="shop.sales")))
    assert raised.value.retry_after == 2.0
