"""When did the Nile drop? Finds the year in which the river's yearly flow changed, with the standard library alone."""

import csv
import math
import random
from itertools import accumulate
from pathlib import Path
from statistics import fmean

from drawing import svg

INPUT = Path("/input/nile.csv")
OUTPUT = Path("/output")
SHUFFLES = 10_000
MARGIN = 3  # years that each side must have, so that a mean is a mean


def unexplained(flows: list[float]) -> list[float]:
    """For every k: the sum of squares left when the first k years have one mean and the other years another."""
    n, squares, sums = len(flows), sum(x * x for x in flows), [0.0, *accumulate(flows)]
    return [squares - sums[k] ** 2 / k - (sums[n] - sums[k]) ** 2 / (n - k) for k in range(MARGIN, n - MARGIN + 1)]


def probabilities(rest: list[float], n: int) -> list[float]:
    """Bayes: how likely each k is, with normal noise and nothing known beforehand about means, variance and year."""
    logs = [-(n - 2) / 2 * math.log(r) - math.log(k * (n - k)) / 2 for k, r in enumerate(rest, MARGIN)]
    weights = [math.exp(value - max(logs)) for value in logs]  # minus the maximum: exp() of the raw logs is 0.0
    return [weight / sum(weights) for weight in weights]


def chance(flows: list[float], best: float) -> float:
    """How often the same flows in random order show a change as sharp: the p-value of a permutation test."""
    dice, mixed, hits = random.Random(1871), list(flows), 0  # a fixed seed: the same answer every time
    for round_number in range(1, SHUFFLES + 1):
        dice.shuffle(mixed)
        hits += min(unexplained(mixed)) <= best
        if round_number % (SHUFFLES // 4) == 0:
            print(f"  {round_number:6,} random orders tried, {hits} as sharp as the real one", flush=True)
    return (hits + 1) / (SHUFFLES + 1)  # the real order is one of the possible ones


def main() -> None:
    with INPUT.open(newline="") as file:
        rows = [(int(row["year"]), float(row["volume"])) for row in csv.DictReader(file)]
    years, flows = [year for year, _ in rows], [flow for _, flow in rows]
    print(f"Read {len(rows)} years, {years[0]} to {years[-1]}.")

    rest = unexplained(flows)
    k = min(range(len(rest)), key=rest.__getitem__) + MARGIN  # years before the change
    means = fmean(flows[:k]), fmean(flows[k:])
    odds = dict(zip(years[MARGIN - 1 :], probabilities(rest, len(flows)), strict=False))
    print(f"The sharpest change comes after {years[k - 1]}. Could it be chance?")
    p_value = chance(flows, min(rest))

    with (OUTPUT / "changepoint.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["year", "flow_1e8_m3", "segment_mean_1e8_m3", "probability_last_year_before_change"])
        for i, (year, flow) in enumerate(rows):
            writer.writerow([year, f"{flow:g}", f"{means[i >= k]:.1f}", f"{odds.get(year, 0):.6f}"])
    (OUTPUT / "nile.svg").write_text(svg(years, flows, years[k - 1], means, odds))
    near = sum(odds[year] for year in range(years[k - 1] - 2, years[k - 1] + 3))
    summary = (
        f"The flow of the Nile at Aswan changed after {years[k - 1]}.\n"
        f"Mean before: {means[0]:.0f}, after: {means[1]:.0f} (100 million cubic metres a year), "
        f"a change of {100 * (means[1] / means[0] - 1):+.0f} %.\n"
        f"Probability that the change came within two years of that: {100 * near:.0f} %.\n"
        f"Permutation test with {SHUFFLES:,} random orders: p = {p_value:.4f}.\n"
    )
    (OUTPUT / "summary.txt").write_text(summary)
    print(summary + "Wrote changepoint.csv, nile.svg and summary.txt.")


if __name__ == "__main__":
    main()
