"""A picture of a few lines, as SVG."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 272, 24, 36
COLOURS = ("#0b5fa5", "#0b5fa5", "#b3470a", "#b3470a", "#3d7a1f", "#3d7a1f")
"""Two lines share a colour; the second is dashed."""


def plot(lines: Mapping[str, Sequence[float]]) -> str:
    """Draw ratios, all beginning at 1, from the least to the most."""
    top = max(2.0, *(value for values in lines.values() for value in values))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def y(value: float) -> float:
        return bottom - value / top * (bottom - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"',
        '    font-family="system-ui, sans-serif" font-size="12">',
        "<title>Time of a call, as a multiple of the same where there is least</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for step in range(int(top) + 1):
        parts += [
            f'<path d="M{LEFT} {y(step):.1f}H{right}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{y(step) + 4:.1f}" text-anchor="end" fill="#333">{step}</text>',
        ]
    for place, (name, values) in enumerate(lines.items()):
        across = [LEFT + number * (right - LEFT) / (len(values) - 1) for number in range(len(values))]
        points = " ".join(f"{x:.1f},{y(value):.1f}" for x, value in zip(across, values, strict=True))
        style = f'fill="none" stroke="{COLOURS[place % len(COLOURS)]}" stroke-width="2"'
        style += ' stroke-dasharray="5 4"' if place % 2 else ""
        height = TOP + 16 + place * 22
        parts += [
            f'<polyline points="{points}" {style}/>',
            f'<path d="M{right + 20} {height}h28" {style}/>',
            f'<text x="{right + 56}" y="{height + 4}" fill="#111">{escape(name)}</text>',
        ]
    parts += [
        f'<text x="{LEFT}" y="{HEIGHT - 12}" fill="#333">least</text>',
        f'<text x="{right}" y="{HEIGHT - 12}" text-anchor="end" fill="#333">most</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)
