"""What errors of GNU Octave programs mean. Octave runs programs in MATLAB's language, and tells of errors much alike.

This module owns nothing but that: the table of both languages' words is that of `matlab`, because many errors are told
in the same words, and an Octave program may be a MATLAB program as it is.
"""

from __future__ import annotations

from labd.diagnosis import matlab

LANGUAGE = matlab.LANGUAGE
