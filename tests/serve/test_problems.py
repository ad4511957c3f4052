"""Every error of the project has its HTTP status, and says the same line as everywhere."""

from collections.abc import Iterator

import pytest

from blackhole import errors
from blackhole.serve import problems


def all_errors(base: type[errors.BlackholeError] = errors.BlackholeError) -> Iterator[type]:
    yield base
    for kind in base.__subclasses__():
        yield from all_errors(kind)


def test_every_error_class_is_mapped_itself() -> None:
    here = {errors.__name__, problems.__name__}  # other modules' own errors never come up to a question
    ours = {kind for kind in all_errors() if kind.__module__ in here}
    assert ours - set(problems.STATUSES) == set()


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (errors.QueryError("x"), 400, "query"),
        (errors.UnknownMetricError("x"), 404, "unknown-metric"),
        (errors.ForbiddenError("x"), 403, "forbidden"),
        (errors.PrivacyQueryError("x"), 400, "privacy-query"),
        (errors.UnauthenticatedError("x"), 401, "unauthenticated"),
        (errors.TooLargeError("x"), 413, "too-large"),
        (errors.UnsupportedError("x"), 415, "unsupported"),
        (errors.OverloadedError("x", retry_after=1), 503, "overloaded"),
        (problems.MisdirectedError("x"), 421, "misdirected"),
    ],
)
def test_the_statuses_are_those_of_the_contract(error: Exception, status: int, slug: str) -> None:
    problem = problems.problem(error)
    assert (problem.status, problem.type) == (status, f"urn:blackhole:problem:{slug}")
    assert problem.detail == "x"


def test_a_wait_is_rounded_up_to_whole_seconds() -> None:
    response = problems.response(errors.OverloadedError("full", retry_after=1.2))
    assert response.headers["retry-after"] == "2"
