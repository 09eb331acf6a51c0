"""Colours and type of all charts: told apart by the colour-blind, on light and on dark ground.

Services take the colours in the order of how many containers they have; those beyond are grey. A
colour never stands alone: bars carry names, searches their words, errors a shape of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cuidx.present.cells import text

if TYPE_CHECKING:
    import altair as alt

# After Okabe and Ito (jfly.uni-koeln.de/color), without the red that errors have.
SERVICES: Final = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#A6761D", "#7B61B5",
)  # fmt: skip
OTHERS: Final = "#8C8C8C"
ERROR: Final = "#D55E00"
SEARCHES: Final = {"ip_search": "#D9852B", "ip_time_search": "#8F7FB8", "cuid_search": "#0072B2"}
UNNAMED: Final = "(no service)"
REST: Final = "other services"
LETTER: Final = 6.6  # pixels of one, in a bar
FONT: Final = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Legend:
    """The services that have a colour of their own, and one for all others, if there are any."""

    colours: dict[str, str]

    @classmethod
    def of(cls, services: Iterable[str | None]) -> Legend:
        """The legend of SERVICES, one for each container; the most frequent ones are named."""
        counted = Counter(text(service) or UNNAMED for service in services)
        order = sorted(counted, key=lambda name: (-counted[name], name))
        colours = dict(zip(order, SERVICES, strict=False))
        return cls(colours if len(order) <= len(SERVICES) else colours | {REST: OTHERS})

    def entry(self, service: str | None) -> str:
        """Where SERVICE stands in the legend."""
        name = text(service) or UNNAMED
        return name if name in self.colours else REST

    def written(self, service: str | None) -> str:
        """Black or white: what can be read on SERVICE's colour."""
        colour = self.colours[self.entry(service)]
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
        return "#fff" if light < 0.179 else "#000"  # where both are equally far (WCAG 2)

    def encoding(self) -> alt.Color:
        """Bars in the colours of their `service`."""
        import altair as alt

        names, colours = list(self.colours), list(self.colours.values())
        scale = alt.Scale(domain=names, range=colours)
        return alt.Color("service:N", title="service", sort=names, scale=scale)


def styled(chart: alt.LayerChart, *, ink: str = "#333", faint: str = "#e4e4e4") -> alt.LayerChart:
    """CHART in the project's type and lines; INK and FAINT may be CSS variables (for a page)."""
    import altair as alt

    axis = alt.AxisConfig(
        labelColor=ink, titleColor=ink, gridColor=faint, domainColor=faint, tickColor=faint,
        labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelLimit=260,
    )  # fmt: skip
    legend = alt.LegendConfig(labelColor=ink, titleColor=ink, labelFontSize=11, titleFontSize=11)
    title = alt.TitleConfig(
        color=ink, subtitleColor=ink, fontSize=14, subtitleFontSize=11, anchor="start",
        frame="group", offset=12,
    )  # fmt: skip
    return chart.properties(
        config=alt.Config(background="transparent", font=FONT, axis=axis, legend=legend,
                          title=title, view=alt.ViewConfig(stroke=None))
    )  # fmt: skip
