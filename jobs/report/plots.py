"""Plots as inline SVG: lines and bars with axes, drawn without a library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 78.0, 14.0, 14.0, 46.0
#: Of lines that are told apart by a legend (Okabe and Ito 2008, safe for colour-blind readers).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MAX_LEGEND = 12


@dataclass(frozen=True)
class Line:
    """One line of a plot; points that are not finite are left out.

    Attributes:
        points: (x, y) of each.
        label: For the legend; "" for none.
        shade: From 0 to 1, place in a sequence of lines that are shaded instead of coloured; None
            for a colour of its own.
    """

    points: Sequence[tuple[float, float]]
    label: str = ""
    shade: float | None = None


@dataclass(frozen=True)
class Axis:
    """An axis: which value lies where, in pixels.

    Attributes:
        low, high: The values at its ends; their logarithms if `logarithmic`.
        start, end: The pixels there.
        logarithmic: Whether it is of base 10.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def pixel(self, value: float) -> float:
        """Return where a value lies."""
        place = math.log10(value) if self.logarithmic else value
        return self.start + (place - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values along the axis."""
        if self.logarithmic:
            first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
            powers = range(first, last + 1, max(1, math.ceil((last - first) / 6)))
            return [10.0**power for power in powers]
        stride = _round_stride((self.high - self.low) / 5)
        first = math.ceil(self.low / stride - 1e-9)
        last = math.floor(self.high / stride + 1e-9)
        return [number * stride for number in range(first, last + 1)]


def line_plot(
    lines: Sequence[Line], x_label: str, y_label: str, *, logarithmic: bool = False
) -> str:
    """Return a plot of lines; "" if there is no point to draw."""
    kept = [(line, _finite(line.points, logarithmic)) for line in lines]
    points = [point for _, drawn in kept for point in drawn]
    if not points:
        return ""
    x = _axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    y = _axis([y for _, y in points], HEIGHT - BOTTOM, TOP, logarithmic)
    parts = [_frame(x, y, x_label, y_label)]
    colours: dict[str, str] = {}
    for number, (line, drawn) in enumerate(kept):
        colour = _shade(line.shade) if line.shade is not None else COLOURS[number % len(COLOURS)]
        if line.label:
            colours[line.label] = colour
        places = [(x.pixel(a), y.pixel(b)) for a, b in drawn]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(f'<polyline points="{path}" style="stroke:{colour}"/>')
        if len(places) <= 60:
            parts += [
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.2" style="fill:{colour}"/>'
                for a, b in places
            ]
    return _figure(parts, colours, f"{y_label} over {x_label}")


def bar_plot(values: Sequence[float], x_label: str, y_label: str) -> str:
    """Return a plot of a bar for each value, numbered from 1; "" without values."""
    if not values:
        return ""
    x = Axis(0.5, len(values) + 0.5, LEFT, WIDTH - RIGHT)
    y = _axis([0.0, *values], HEIGHT - BOTTOM, TOP)
    width = max((x.end - x.start) / len(values) * 0.8, 0.5)
    parts = [_frame(x, y, x_label, y_label)]
    for number, value in enumerate(values, 1):
        top = y.pixel(value)
        parts.append(
            f'<rect x="{x.pixel(number) - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{max(y.pixel(0.0) - top, 0.0):.1f}" style="fill:{COLOURS[0]}"/>'
        )
    return _figure(parts, {}, f"{y_label} over {x_label}")


def number(value: float) -> str:
    """Return a number for an axis or a table."""
    text = f"{value:.6g}"
    return "0" if float(text) == 0.0 else text


def _finite(points: Sequence[tuple[float, float]], logarithmic: bool) -> list[tuple[float, float]]:
    return [
        (x, y)
        for x, y in points
        if math.isfinite(x) and math.isfinite(y) and (y > 0.0 or not logarithmic)
    ]


def _axis(values: Sequence[float], start: float, end: float, logarithmic: bool = False) -> Axis:
    """Return an axis on which values have some air."""
    places = [math.log10(value) for value in values] if logarithmic else list(values)
    low, high = min(places), max(places)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        air = 0.5 if logarithmic else (abs(low) or 1.0) * 0.5
        low, high = low - air, high + air
    air = 0.03 * (high - low)
    return Axis(low - air, high + air, start, end, logarithmic)


def _round_stride(stride: float) -> float:
    """Return 1, 2 or 5 times a power of 10, not below a stride."""
    power = 10.0 ** math.floor(math.log10(stride))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= stride * 0.999)


def _frame(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
    """Return the axes with their ticks, lines and labels."""
    parts = []
    for value in x.ticks():
        a = x.pixel(value)
        parts.append(f'<path class="grid" d="M{a:.1f} {y.start}V{y.end}"/>')
        parts.append(
            f'<text x="{a:.1f}" y="{y.start + 16}" text-anchor="middle">{number(value)}</text>'
        )
    for value in y.ticks():
        b = y.pixel(value)
        text = f"1e{round(math.log10(value))}" if y.logarithmic else number(value)
        parts.append(f'<path class="grid" d="M{x.start} {b:.1f}H{x.end}"/>')
        parts.append(f'<text x="{x.start - 6}" y="{b + 4:.1f}" text-anchor="end">{text}</text>')
    parts.append(f'<path class="axis" d="M{x.start} {y.end}V{y.start}H{x.end}"/>')
    middle = (y.start + y.end) / 2
    parts.append(
        f'<text x="{(x.start + x.end) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        f"{escape(y_label)}</text>"
    )
    return "".join(parts)


def _figure(parts: Sequence[str], colours: dict[str, str], title: str) -> str:
    """Return the plot, with a legend below it if its lines have names."""
    shown = list(colours.items())[:MAX_LEGEND]
    entries = "".join(
        f'<span><i style="background:{colour}"></i>{escape(label)}</span>'
        for label, colour in shown
    )
    if len(colours) > MAX_LEGEND:
        entries += f"<span>and {len(colours) - MAX_LEGEND} more</span>"
    legend = f"<figcaption>{entries}</figcaption>" if entries else ""
    return (
        f'<figure><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>{legend}</figure>"
    )


def _shade(place: float) -> str:
    """Return a colour between light and dark blue."""
    light, dark = (150, 200, 235), (8, 48, 107)
    mixed = (round(a + (b - a) * place) for a, b in zip(light, dark, strict=True))
    return "rgb({},{},{})".format(*mixed)
