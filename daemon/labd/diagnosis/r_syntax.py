"""What is wrong with an R program that R cannot read.

This module owns the table from what R's parser says to what to correct. It sees the message only, in which R repeats
the line up to where it gave up; it never opens the program.
"""

from __future__ import annotations

import re

from labd.common.excerpts import Diagnosis, sentence, shorten

_NOT_VALID = re.compile(r"([\w./ +-]{1,120}\.[Rr]):(\d+):\d+: ((?:unexpected |EOF |invalid |attempt )?.*)")
_HINTS = (
    # The first two are what is copied from a console or saved from a browser.
    (r"unexpected '>'.* \d+: >", "Remove the prompts `>` and `+` that R's console wrote, and what it answered."),
    (r"unexpected '<'.* 1: <", "The file seems to be a web page: save the program itself as {file}."),
    (r"unexpected input.*[“”„‘’]", "Write plain quotes there, `\"` or `'`: these are of a word processor."),
    (r"unexpected input", "Type this line anew: it has a sign that R does not know, as word processors write them."),
    (
        r"unexpected '='",
        "Correct this line: a comparison is written `==`; or a bracket or a comma is missing before the sign.",
    ),
    (r"unexpected end of input", "A bracket that is opened, `(`, `[` or `{{`, is never closed: close it."),
    (r"INCOMPLETE_STRING", 'A quote that is opened is never closed: look for a missing `"` from this line upwards.'),
    (r"unexpected '([)\]}])'", "Remove this bracket, or write the one that opens it."),
    (r"unexpected 'else'", "Write `else` in the same line as the `}}` before it."),
)
_OTHERWISE = "A bracket, a comma or a quote is missing there or in the line above."


def not_valid(words: str, place: str) -> Diagnosis | None:
    """What to correct when `words` are those of R's parser; `place`: "code/app.R, line 2" or "", where R stopped."""
    if "zero-length variable name" in words and re.fullmatch(r"attempt to use zero-length variable name", words):
        return Diagnosis(
            sentence(f"Your program has two backticks with nothing between them ({place or 'code/app.R'})"),
            "If it is R Markdown, leave only the code of its blocks in app.R, without the lines of backticks.",
        )
    if "multibyte" in words and ("parser" in words or "MBCS" in words):
        return Diagnosis(
            sentence(f"An R file of your program is not UTF-8 text ({place or 'code/app.R'})"),
            "Save it as UTF-8 in your editor and upload again.",
        )
    found = _NOT_VALID.search(words)
    if not found:
        return None
    file = f"code/{found[1].strip().removeprefix('/code/').removeprefix('./').lstrip('/')}"
    # Where R came to the end of a file, it counts a line more than there is; start.R does not.
    line = place.rpartition(" ")[2] if place.startswith(f"{file},") else found[2]
    said = re.split(r"(?<=\S) (?=\d+: )", found[3], maxsplit=1)[0]
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, found[3])), _OTHERWISE)
    return Diagnosis(sentence(f"{file}, line {line}, is not valid R: {shorten(said, 100)}"), hint.format(file=file))
