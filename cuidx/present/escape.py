r"""Text from logs, made harmless for the place where it is shown.

A log line may carry escape sequences, bidi overrides or markup. Terminal, Markdown and HTML get
them as visible text (`\x1b`); JSON gets its own escapes, which read back as the same text.
"""

from __future__ import annotations

import re

# Controls (C0, DEL, C1), what draws nothing or turns the direction of text, line and paragraph
# separators, interlinear marks, surrogates without a partner, and the invisible tag letters.
# U+200C and U+200D stay: scripts and emoji need them.
_INVISIBLE = (
    "\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f"
    "\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff\\U000e0000-\\U000e007f"
)
_HOSTILE = re.compile(f"[{_INVISIBLE}]")
# The same for Rust's expressions, in JSON text of UTF-8: no C0, which JSON escapes, no surrogates.
UNSAFE = f"[{_INVISIBLE}]".replace("\\x00-\\x1f", "").replace("\\ud800-\\udfff", "")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_PLAIN = re.compile(r"[A-Za-z0-9 .,:;/+=()%?'\u2013-]*")
# What GitHub turns into a link or, as in the address fd00:100::1, into a picture.
_LINK = re.compile(r"://|www\.|:(?:100|1234|[a-z+][a-z0-9+-]*):", re.IGNORECASE)
_MARKUP = re.compile(r"[\\`*_\[\]~|!#]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", ":": "&#58;", ".": "&#46;"}


def visible(text: str) -> str:
    r"""TEXT with every control, direction mark and lone surrogate as `\n`, `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return _HOSTILE.sub(_shown, text)


def encodable(text: str) -> str:
    r"""TEXT with lone surrogates as `\udc80`, and all else as it is: what UTF-8 can hold."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def json_safe(text: str) -> str:
    """JSON text, with the JSON escape for each character that is not to be written as it is."""
    return text if text.isascii() and "\x7f" not in text else _HOSTILE.sub(_escaped, text)


def markdown(text: str) -> str:
    """TEXT as the content of a cell in a GitHub table: no markup, link or mention works in it."""
    text = visible(text).strip()
    if _PLAIN.fullmatch(text) and not _LINK.search(text):
        return text
    if not set(text) & set("`\\|"):
        return f"`{text}`"
    text = _MARKUP.sub(r"\\\g<0>", text)
    return re.sub(r"[&<>@:]|(?<=[wW])\.", lambda match: _ENTITIES[match[0]], text)


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else _unicode(code)


def _unicode(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0x0A:  # ours: json.dumps writes those of the values as \n itself
        return "\n"
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
