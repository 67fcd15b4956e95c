"""The bytes that are hashed and signed: JSON with sorted keys that may stand inside a page as it is.

Pure. Signing is the work of `kit/signing`.
"""

from __future__ import annotations

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")
_INSIDE_A_PAGE = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
"""Signs that only occur inside strings of JSON; escaped, they cannot end the element of a page that holds it."""


def encode_canonical(value: Any) -> bytes:
    """`value` (anything msgspec can encode) as canonical JSON, without a line feed at its end."""
    data = _encoder.encode(value)
    for sign, escape in _INSIDE_A_PAGE:
        data = data.replace(sign, escape)
    return data
