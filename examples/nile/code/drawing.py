"""A plot without a plotting library: an SVG file is text."""


def text(left: float, top: float, words: object, extra: str = "") -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" {extra}>{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def svg(years: list[int], flows: list[float], last: int, means: tuple[float, float], odds: dict[int, float]) -> str:
    """The flow with its two means above, the probability of each year below."""

    def x(year: float) -> float:
        return 80 + (year - years[0]) * 7.6

    def y(flow: float) -> float:
        return 350 - (flow - 400) * 0.28

    grid, red = 'stroke="#ddd"', 'stroke="#c0392b" stroke-width="3"'
    first, final, change = x(years[0]), x(years[-1]), x(last + 0.5)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 580" font-family="sans-serif" font-size="14">',
             '<rect width="880" height="580" fill="white"/>',
             text(80, 34, f"Yearly flow of the Nile at Aswan, {years[0]} to {years[-1]}", 'font-size="20"'),
             text(80, 58, "in 100 million cubic metres", 'fill="#555"')]  # fmt: skip
    for flow in range(400, 1401, 200):
        parts += [line(first, y(flow), final, y(flow), grid), text(70, y(flow) + 5, flow, 'text-anchor="end"')]
    points = " ".join(f"{x(year):.1f},{y(flow):.1f}" for year, flow in zip(years, flows, strict=True))
    parts.append(f'<polyline points="{points}" fill="none" stroke="#2471a3" stroke-width="1.6"/>')
    parts += [line(first, y(means[0]), change, y(means[0]), red), line(change, y(means[1]), final, y(means[1]), red),
              line(change, y(1400), change, 500, 'stroke="#c0392b" stroke-dasharray="4 4"'),
              text(change + 8, y(1330), f"mean {means[0]:.0f} up to {last}, {means[1]:.0f} after", 'fill="#c0392b"'),
              text(change + 8, 390, "Probability that the change came after this year", 'fill="#555"')]  # fmt: skip
    for percent in (0, 50, 100):
        height = 500 - percent
        parts += [line(first, height, final, height, grid), text(70, height + 5, f"{percent} %", 'text-anchor="end"')]
    parts += [f'<rect x="{x(year) - 3:.1f}" y="{500 - 100 * p:.1f}" width="6" height="{100 * p:.1f}" fill="#2471a3"/>'
              for year, p in odds.items()]  # fmt: skip
    parts += [text(x(year), 522, year, 'text-anchor="middle"') for year in range(1880, years[-1] + 1, 10)]
    return "\n".join([*parts, text((first + final) / 2, 552, "Year", 'text-anchor="middle"'), "</svg>\n"])
