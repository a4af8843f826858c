"""Bytes that programs write as three octal digits, where a name may hold what they cannot print.

This module owns what is common to these grammars; which mark stands before the digits, and what else is escaped, is
for whoever knows the program. It costs nothing to import.
"""

from __future__ import annotations


def octal_decoded(text: str, mark: str = "\\") -> str:
    """`text` with the bytes that `mark` and three octal digits stand for; bytes that are no UTF-8 as surrogates.

    A mark without three octal digits after it stays.
    """
    if mark not in text:
        return text
    prefix = mark.encode()
    first, *pieces = text.encode(errors="surrogateescape").split(prefix)
    decoded = bytearray(first)
    for piece in pieces:
        digits = piece[:3]
        if len(digits) == 3 and digits.isdigit() and max(digits) <= ord("7"):
            decoded.append(int(digits, 8) & 255)
            decoded += piece[3:]
        else:
            decoded += prefix + piece
    return decoded.decode(errors="surrogateescape")
