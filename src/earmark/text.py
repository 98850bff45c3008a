"""Numbers and lists in words, for messages and pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def counted(n: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "group"), counted(2, "group")
    ('1 group', '2 groups')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal, never rounded up to certainty.

    >>> percent(0.9999), percent(0.1257), percent(1.0)
    ('99.9 %', '12.6 %', '100.0 %')
    """
    return f"{100 * share if share == 1 else min(100 * share, 99.9):.1f} %"


def in_words(seconds: float) -> str:
    """Return a duration as a person says it.

    >>> in_words(0.4), in_words(59), in_words(150), in_words(7300)
    ('1 s', '59 s', '2 min 30 s', '2 h 1 min')
    """
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"


def some(names: Iterable[object], *, n: int = 5) -> str:
    """Return the first `n` names, and how many more there are.

    >>> some("abc"), some(range(9), n=3)
    ('a, b, c', '0, 1, 2 and 6 more')
    """
    listed = list(map(str, names))
    return ", ".join(listed[:n]) + (f" and {len(listed) - n:,} more" if len(listed) > n else "")


def some_quoted(names: Iterable[str], *, n: int = 5) -> str:
    """Return the same with every name in quotes.

    >>> some_quoted(["jazz", "hip hop"], n=1)
    "'jazz' and 1 more"
    """
    return some(map(repr, names), n=n)


def encodable(text: str) -> str:
    r"""Return a text that UTF-8 can hold: bytes of file names in other encodings become escapes.

    >>> encodable("f\udcfcr.wav"), encodable("für.wav")
    ('f\\udcfcr.wav', 'für.wav')
    """
    return text.encode("utf-8", "backslashreplace").decode()


def normalized(text: str) -> str:
    r"""Return a text by which people mean the same: letters composed, nothing invisible in it, no blanks around it.

    >>> normalized("blu\u0308s\u200b ") == "blüs", normalized("\ufeffpop")
    (True, 'pop')
    """
    return "".join(letter for letter in unicodedata.normalize("NFC", text) if letter not in _INVISIBLE).strip()


def spellings_of_name(name: str) -> tuple[str, ...]:
    r"""Return the ways in which a list may write the name of a file: as it stands first, then as systems store it.

    >>> spellings_of_name(".\\jazz\\a.wav ")
    ('.\\jazz\\a.wav ', 'jazz/a.wav')
    """
    bare = name.strip().replace("\\", "/").removeprefix("./")
    return tuple(dict.fromkeys((name, bare, *(unicodedata.normalize(form, bare) for form in ("NFC", "NFD")))))


def printable(text: object) -> str:
    r"""Return a text in which nothing moves the cursor, colours the terminal or turns the direction of writing.

    Names of files may hold such characters; they are shown as escapes. Joiners of letters stay.

    >>> printable("a\x1b[31m\n.wav"), printable("ünï 音.wav")
    ('a\\x1b[31m\\n.wav', 'ünï 音.wav')
    """
    return "".join(_escaped(letter) if unicodedata.category(letter) in _UNSHOWN else letter for letter in str(text))


_UNSHOWN = frozenset({"Cc", "Cf", "Zl", "Zp"})
_INVISIBLE = "\u200b\u200e\u200f\u2060\u00ad\ufeff"
_JOINERS = "\u200c\u200d"


def _escaped(letter: str) -> str:
    return letter if letter in _JOINERS else letter.encode("unicode_escape").decode("ascii")
