"""What a person typed → the words to look for. Nothing typed is ever an operator, so nothing typed can be a mistake.

Any of the words may match and the ranking sorts out how well: nobody describes a picture in the words of somebody else, so
asking for all of them finds next to nothing (docs/search.md).
"""

from __future__ import annotations

import re
import unicodedata

MOST_WORDS = 32
LONGEST_WORD = 64

_POSSESSIVE = re.compile("['\u2019]s\\b")
_WORD = re.compile(r"[^\W_]+")

# English words that stand in every second caption and say nothing of a picture; both databases stem, so one form is enough.
_STOP_WORDS = """
a about after again all also am an and another any are as at be been being both but by can could did do does each for from
had has have having he her hers him his how i if in into is it its itself just me more most my near of off on onto or other
our out over own she so some such than that the their them then there these they this those through to too under up very
was we were what when where which while who whom whose why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def words_asked(text: str) -> tuple[str, ...]:
    """Each word once, in order, at most `MOST_WORDS`; stop words only where there is nothing else."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    found = dict.fromkeys(word[:LONGEST_WORD] for word in _WORD.findall(_POSSESSIVE.sub("", plain)))
    telling = [word for word in found if word not in STOP_WORDS]
    return tuple((telling or list(found))[:MOST_WORDS])
