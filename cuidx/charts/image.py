"""Charts as pictures, without a browser: SVG for the report, SVG and PNG for anyone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    import altair as alt

_SVG: Final = "{http://www.w3.org/2000/svg}"
# All that such a drawing needs; whatever else a library may come to write is left out.
_ELEMENTS: Final = {"svg", "g", "path", "rect", "line", "text", "tspan", "defs", "clipPath"}
_ATTRIBUTES: Final = {
    "class", "width", "height", "viewBox", "fill", "fill-opacity", "stroke", "stroke-width",
    "stroke-opacity", "stroke-dasharray", "stroke-miterlimit", "transform", "d", "x", "y", "x2",
    "y2", "opacity", "text-anchor", "font-family", "font-size", "font-weight", "font-style",
    "clip-path", "id", "display",
}  # fmt: skip


def svg(chart: alt.LayerChart, name: str) -> str:
    """CHART as SVG that can stand in a page: shapes and words alone, its ids beginning with NAME.

    The same chart gives the same text: the library counts its ids over all that it draws.
    """
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(json.dumps(chart.to_dict()))
    root = _plain(ElementTree.fromstring(drawn))  # noqa: S314 - the library's own drawing
    ids = {one.attrib["id"]: f"{name}-{at}" for at, one in enumerate(root.iter("clipPath"))}
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", ids[element.attrib["id"]])
        if clip := element.get("clip-path"):
            element.set("clip-path", f"url(#{ids[clip[5:-1]]})")
    return ElementTree.tostring(root, encoding="unicode")


def _plain(element: ElementTree.Element) -> ElementTree.Element:
    copy = ElementTree.Element(element.tag.removeprefix(_SVG))
    copy.text, copy.tail = element.text, element.tail
    for key, value in element.attrib.items():
        if key in _ATTRIBUTES and (key != "id" or copy.tag == "clipPath"):
            copy.set(key, value)
    for child in element:
        if child.tag.removeprefix(_SVG) in _ELEMENTS:
            copy.append(_plain(child))
    return copy
