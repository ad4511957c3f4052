"""What a check is, and the decorator that turns a function into one."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar


class RuleLevel(StrEnum):
    """How binding the rule is: MUST, SHOULD, or good sense that no specification asks for."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"
    ADVICE = "advice"


class Transport(StrEnum):
    HTTP = "http"
    GRPC = "grpc"


class BrokenError(Exception):
    """The rule is broken; the text says what was seen."""


class NotSeenError(Exception):
    """The rule does not apply to what was seen, or to what was given."""


Try = Callable[..., Awaitable[str]]
T = TypeVar("T", bound=Try)


@dataclass(frozen=True, slots=True)
class Check:
    """`run` returns what was seen, or raises BrokenError or NotSeenError.

    `remedy` is for who builds the receiver. `last`: it judges the answers to all others.
    """

    name: str
    transport: Transport
    level: RuleLevel
    rule: str
    remedy: str
    run: Try
    arguments: tuple[Any, ...] = ()
    last: bool = False


_registry: list[Check] = []


def check(
    name: str,
    transport: Transport,
    level: RuleLevel,
    *,
    rule: str,
    remedy: str,
    over: Iterable[Any] = (),
    last: bool = False,
) -> Callable[[T], T]:
    """Registers a function as a check; with `over`, as one for each value, named where `name` has {}."""

    def register(function: T) -> T:
        cases: list[tuple[str, tuple[Any, ...]]] = [(name.format(case), (case,)) for case in over]
        _registry.extend(
            Check(named, transport, level, rule, remedy, function, arguments, last)
            for named, arguments in cases or [(name, ())]
        )
        return function

    return register


def registered() -> Sequence[Check]:
    """What was registered so far."""
    return tuple(_registry)
