"""What a stranger's `Content-Length` announces: judged before a byte is read."""

from __future__ import annotations

MOST_DIGITS = 18  # `int` refuses thousands


def announces_more(length: str, most_bytes: int) -> bool:
    """Is it a number over `most_bytes`? What is no number announces nothing."""
    return length.isascii() and length.isdigit() and (len(length) > MOST_DIGITS or int(length) > most_bytes)
