"""What a line looks like with its tag: the suffix after it, or the keys inside a JSON object.

    plain text                 plain text{"ikontainer_CUID":"4a23…","svc":"pay.shop.lab"}
    {"a": 1}   (merge)         {"a": 1,"ikontainer_CUID":"4a23…","svc":"pay.shop.lab"}
    2026… stdout P piece (cri) 2026… stdout P piece

A style takes whole lines, each with its newline, and gives as many lines back. It depends on
nothing but the line and the tag: this is what lets a restart compare an output with its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cuidx.suffix import CUID_KEY, SVC_KEY

TYPE_CHECKING = False  # `from typing import TYPE_CHECKING` takes 8 ms
if TYPE_CHECKING:
    import re


class Tag:
    """A CUID and a service name, as the bytes that go on a line."""

    __slots__ = ("end", "keys", "size", "suffix")

    def __init__(self, cuid: bytes, svc: bytes) -> None:
        """SVC is JSON: a quoted string or `null`."""
        self.keys = b'"%s":"%s","%s":%s' % (CUID_KEY.encode(), cuid, SVC_KEY.encode(), svc)
        self.suffix = b"{" + self.keys + b"}"
        self.end = self.suffix + b"\n"
        self.size = len(self.suffix)


Style = Callable[[bytes, Tag], bytes]

_KEY = b'"%s":"' % CUID_KEY.encode()
_SVC = b'","%s":' % SVC_KEY.encode()
_BLANK = b" \t\r"  # JSON's white space without the newline, which no line contains


def quoted(text: str | None) -> bytes:
    """TEXT as JSON; None is null."""
    if text is None:
        return b"null"
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'.encode()
    import json  # a megabyte that ordinary names do not need

    try:
        return json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # bytes of the environment that are not UTF-8
        return json.dumps(text).encode()


def make_tag(cuid: str, svc: str | None) -> Tag:
    """The tag of CUID (36 characters) and SVC (any text, or None for null)."""
    return Tag(cuid.encode(), quoted(svc))


def tag_of(line: bytes) -> Tag | None:
    """The tag that LINE (without its newline) ends in; the last one is the tagger's."""
    at = line.rfind(_KEY)
    if at < 1 or line[at - 1] not in b"{,":
        return None
    cuid, rest = line[at + len(_KEY) :][:36], line[at + len(_KEY) + 36 :].rstrip(_BLANK)
    svc = rest[len(_SVC) : -1]
    fits = rest.startswith(_SVC) and rest.endswith(b"}") and not (set(cuid) & {34, 92})
    return Tag(cuid, svc) if fits and (svc == b"null" or _is_text(svc)) else None


def _is_text(value: bytes) -> bool:
    """Whether VALUE is one JSON string."""
    inner = value[1:-1].replace(b"\\\\", b"").replace(b'\\"', b"")
    return value[:1] == value[-1:] == b'"' and len(value) > 1 and b'"' not in inner


def untagged(line: bytes, tag: Tag) -> Iterator[bytes]:
    """What LINE may have been before it got TAG: with merge, `{}` and an empty line look alike."""
    if line.endswith(tag.suffix):
        yield line[: -tag.size]
    body = line.rstrip(_BLANK)
    if body.endswith(tag.keys + b"}"):
        yield body[: -len(tag.keys) - 1].removesuffix(b",") + b"}" + line[len(body) :]


def append(block: bytes, tag: Tag) -> bytes:
    r"""The suffix after each line; of `\r\n` it stands after the `\r`, always."""
    return block.replace(b"\n", tag.end)


def merge(block: bytes, tag: Tag) -> bytes:
    """The keys inside each line that is a JSON object with neither; the suffix after others."""
    out = []
    for line in block.split(b"\n")[:-1]:
        body = line.strip(_BLANK)
        if body[:1] == b"{" and body[-1:] == b"}" and _is_free_object(body):
            at = line.rindex(b"}")
            comma = b"," if body[1:-1].strip(_BLANK) else b""
            out.append(b"%s%s%s%s\n" % (line[:at], comma, tag.keys, line[at:]))
        else:
            out.append(line + tag.end)
    return b"".join(out)


# <RFC 3339> <stream> P[:more tags] <text>: a piece whose end comes in a later record.
# Source: kubernetes/design-proposals-archive, node/kubelet-cri-logging.md
_PIECE = rb"^\d{4}-\d\d-\d\dT[^ \n]+ std(?:out|err) P(?::[^ \n]*)?(?: |$)"
_NO_TEXT = rb"^(\d{4}-\d\d-\d\dT[^ \n]+ std(?:out|err) F(?::[^ \n]*)?)$"
_cri: tuple[re.Pattern[bytes], re.Pattern[bytes]] | None = None


def cri(block: bytes, tag: Tag) -> bytes:
    """The suffix after each record of a container runtime that ends a line; none after pieces."""
    global _cri  # noqa: PLW0603 - re takes 7 ms that the sidecar does not need
    if _cri is None:
        import re

        _cri = re.compile(_PIECE, re.MULTILINE), re.compile(_NO_TEXT, re.MULTILINE)
    piece, no_text = _cri
    if b" F\n" in block or b" F:" in block:
        # Without text there is no blank either; the suffix must not become part of the tags.
        block = no_text.sub(rb"\1 ", block)
    if piece.search(block) is None:
        return block.replace(b"\n", tag.end)
    return b"".join(
        line + (b"\n" if piece.match(line) else tag.end) for line in block.split(b"\n")[:-1]
    )


STYLES: dict[str, Style] = {"append": append, "merge": merge, "cri": cri}


_decode: Callable[[str], object] | None = None


def _refuse(text: str) -> object:
    raise ValueError(f"{text} is no JSON")  # Python alone reads NaN and Infinity


def _is_free_object(body: bytes) -> bool:
    """Whether BODY is one JSON object with neither key of the tag."""
    global _decode  # noqa: PLW0603 - json is loaded by the first line that needs it
    if _decode is None:
        import json

        # Numbers are not converted: their text stays, and 5,000 digits are no error.
        _decode = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_refuse).decode
    try:
        value = _decode(body.decode())
    except RecursionError:
        return _is_deep_free_object(body)
    except ValueError:  # also UnicodeDecodeError
        return False
    return isinstance(value, dict) and CUID_KEY not in value and SVC_KEY not in value


_LEXEME = (
    r'[ \t\r]*(?:("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
    r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)|([\[\]{}:,]))"
)


def _is_deep_free_object(body: bytes) -> bool:
    """The same for objects nested deeper than Python's recursion goes; slow, and never fails."""
    import json
    import re

    token = re.compile(_LEXEME)
    text = body.decode()
    nesting: list[str] = []
    want = "value"  # value, key, colon, next (comma or end); "first…" allows the end at once
    at = 0
    while at < len(text):
        found = token.match(text, at)
        if found is None:
            return False
        at = found.end()
        string, scalar, mark = found.groups()
        if string is not None and want in ("key", "first key"):
            if len(nesting) == 1 and json.loads(string) in (CUID_KEY, SVC_KEY):
                return False
            want = "colon"
        elif want in ("value", "first value") and (string or scalar):
            want = "next"
        elif want in ("value", "first value") and mark in ("{", "["):
            nesting.append(mark)
            want = "first key" if mark == "{" else "first value"
        elif mark == ":" and want == "colon":
            want = "value"
        elif mark == "," and want == "next" and nesting:
            want = "key" if nesting[-1] == "{" else "value"
        elif (mark == "}" and want in ("next", "first key") and nesting[-1:] == ["{"]) or (
            mark == "]" and want in ("next", "first value") and nesting[-1:] == ["["]
        ):
            nesting.pop()
            want = "next"
            if not nesting:
                return at == len(text)
        else:
            return False
    return False
