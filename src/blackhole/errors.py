"""What can go wrong, as types: whether retrying helps is in the class.

BlackholeError                 one line: what, where, what to do
├── UsageError                 wrong usage or configuration (exit 2)
│   ├── ConfigError            a key, value or file of the configuration
│   └── CatalogueError         a catalogue file or entry
├── UnavailableError           neither service nor file was found (exit 3)
├── PrivacyError               refused by a privacy rule (exit 4)
├── StoreError                 the database file cannot be used (exit 1)
│   ├── GivenUpError           work beside commits that was ended: the file is closed or opened anew
│   └── QuestionsEndedError    no memory for a commit; questions were ended to make room
├── QueryError                 a question that cannot be answered as asked (HTTP 400)
│   ├── UnknownMetricError     no such metric (HTTP 404)
│   ├── ForbiddenError         not a read, or outside the sandbox (HTTP 403)
│   ├── PrivacyQueryError      finer than a guarded metric may be asked (HTTP 400, exit 4)
│   ├── ExpressionError        not PromQL, or not supported of it (HTTP 400)
│   ├── EvaluationError        PromQL that cannot be evaluated on this data, or needs too much (HTTP 422)
│   └── EvaluationTimeoutError PromQL that took too long (HTTP 503)
└── IntakeError                a request that was not taken
    ├── UndecodableError       permanent: not a request (HTTP 400, INVALID_ARGUMENT)
    ├── TooLargeError          permanent: over the size limit (HTTP 413, RESOURCE_EXHAUSTED)
    ├── UnsupportedError       permanent: content type or encoding (HTTP 415, UNIMPLEMENTED)
    ├── UnauthenticatedError   permanent until the token is given (HTTP 401, UNAUTHENTICATED)
    └── OverloadedError        try again after `retry_after` seconds (HTTP 503, UNAVAILABLE)
"""


class BlackholeError(Exception):
    exit_code = 1


class UsageError(BlackholeError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class CatalogueError(UsageError):
    pass


class UnavailableError(BlackholeError):
    exit_code = 3


class PrivacyError(BlackholeError):
    exit_code = 4


class StoreError(BlackholeError):
    pass


class PreemptedError(StoreError):
    """Work beside commits was ended, since the file is closed or opened anew."""


class QueriesPreemptedError(StoreError):
    """Not written for want of memory; questions that had it were ended, so it is worth another try."""


class QueryError(BlackholeError):
    pass


class UnknownMetricError(QueryError):
    pass


class ForbiddenError(QueryError):
    pass


class PrivacyQueryError(QueryError):
    exit_code = 4


class ExpressionError(QueryError):
    pass


class EvaluationError(QueryError):
    pass


class EvaluationTimeoutError(QueryError):
    pass


class IntakeError(BlackholeError):
    """A request that was not taken; nothing of it was stored."""


class UndecodableError(IntakeError):
    pass


class TooLargeError(IntakeError):
    pass


class UnsupportedError(IntakeError):
    pass


class UnauthenticatedError(IntakeError):
    pass


class OverloadedError(IntakeError):
    """`retry_after`: seconds until a retry is welcome."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
