"""Turns numbers that clients write into a query string into whole numbers."""

# Of the largest that a column of the store holds.
_MOST_DIGITS = 18


def whole_number(text: str) -> int | None:
    """None where it is none, or longer than anybody means: `int` raises ValueError for 4,301 digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    return int(text)
