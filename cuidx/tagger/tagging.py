"""What a line looks like with its tag: the suffix after it, or the keys inside a JSON object.

    plain text                 plain text{"ikontainer_CUID":"4a23…","svc":"pay.shop.lab"}
    {"a": 1}   (merge)         {"a": 1,"ikontainer_CUID":"4a23…","svc":"pay.shop.lab"}
    2026… stdout P piece (cri) 2026… stdout P piece

A style takes whole lines, each with its newline, and gives as many lines back. It depends on
nothing but the line and the tag: this is what lets a restart compare an output with its source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cuidx.suffix import CUID_KEY, SVC_KEY


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

# The tag at the end of a line, its own or inside an object; blanks of JSON may follow.
_AT_END = re.compile(
    rb'[{,]"%s":"([^"\\]{36})","%s":(null|"(?:[^"\\]|\\.)*")\}[ \t\r]*\Z'
    % (CUID_KEY.encode(), SVC_KEY.encode()),
    re.DOTALL,
)
_KEY = b'"%s":"' % CUID_KEY.encode()
_BLANK = b" \t\r"  # JSON's white space without the newline, which no line contains


def quoted(text: str | None) -> bytes:
    """TEXT as JSON; None is null."""
    if text is None:
        return b"null"
    if re.fullmatch(r"[A-Za-z0-9._:/@ -]*", text):
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
    found = _AT_END.search(line, max(at - 1, 0)) if at > 0 else None
    return Tag(found[1], found[2]) if found else None


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
_PIECE = re.compile(rb"^\d{4}-\d\d-\d\dT[^ \n]+ std(?:out|err) P(?::[^ \n]*)?(?: |$)", re.MULTILINE)
_NO_TEXT = re.compile(rb"^(\d{4}-\d\d-\d\dT[^ \n]+ std(?:out|err) F(?::[^ \n]*)?)$", re.MULTILINE)


def cri(block: bytes, tag: Tag) -> bytes:
    """The suffix after each record of a container runtime that ends a line; none after pieces."""
    if b" F\n" in block or b" F:" in block:
        # Without text there is no blank either; the suffix must not become part of the tags.
        block = _NO_TEXT.sub(rb"\1 ", block)
    if _PIECE.search(block) is None:
        return block.replace(b"\n", tag.end)
    return b"".join(
        line + (b"\n" if _PIECE.match(line) else tag.end) for line in block.split(b"\n")[:-1]
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


_TOKEN = re.compile(
    r'[ \t\r]*(?:("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
    r"|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([\[\]{}:,]))",
    re.ASCII,
)


def _is_deep_free_object(body: bytes) -> bool:
    """The same for objects nested deeper than Python's recursion goes; slow, and never fails."""
    import json

    text = body.decode()
    nesting: list[str] = []
    want = "value"  # value, key, colon, next (comma or end); "first…" allows the end at once
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
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
