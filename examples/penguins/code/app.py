"""Simpson's paradox in penguin bills: longer bills look shallower, until each species is looked at on its own."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # there is no screen in the container: draw straight into a file

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

INPUT = Path("/input/penguins.csv")
OUTPUT = Path("/output")
X, Y = "bill_length_mm", "bill_depth_mm"
# Three colours that stay apart for colour-blind readers, and three markers for a print in black and white.
STYLE = {"Adelie": ("#E69F00", "o"), "Chinstrap": ("#AA4499", "^"), "Gentoo": ("#0072B2", "s")}


def fit(group: str, birds: pd.DataFrame) -> dict[str, str | float]:
    """Least-squares line of bill depth on bill length, as one row of the result table."""
    line = stats.linregress(birds[X], birds[Y])
    # 95 % interval of the slope; Student's t, because the residual variance is estimated from the same birds
    half = stats.t.ppf(0.975, len(birds) - 2) * line.stderr
    return {
        "group": group,
        "n": len(birds),
        "slope": line.slope,
        "slope_low95": line.slope - half,
        "slope_high95": line.slope + half,
        "intercept_mm": line.intercept,
        "r": line.rvalue,
        "p_value": line.pvalue,
    }


def draw_line(ax: Axes, birds: pd.DataFrame, row: pd.Series, color: str) -> None:
    """The fitted line, drawn only over the range that was measured."""
    ends = birds[X].agg(["min", "max"])
    ax.plot(ends, row["intercept_mm"] + row["slope"] * ends, color=color, linewidth=2.5)


def plot(birds: pd.DataFrame, fits: pd.DataFrame, target: Path) -> None:
    """The same birds twice: as one cloud with one line, and by species with a line each."""
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), sharex=True, sharey=True, layout="constrained")
    left.scatter(birds[X], birds[Y], s=24, color="0.55", alpha=0.7, linewidths=0)
    draw_line(left, birds, fits.loc["all"], "black")
    left.set_title(f"All {len(birds)} penguins: slope {fits.loc['all', 'slope']:+.3f}", loc="left")
    for species, (color, marker) in STYLE.items():
        group = birds[birds["species"] == species]
        label = f"{species} (n = {len(group)}): slope {fits.loc[species, 'slope']:+.3f}"
        right.scatter(group[X], group[Y], s=24, color=color, marker=marker, alpha=0.6, linewidths=0, label=label)
        draw_line(right, group, fits.loc[species], color)
    right.set_title("The same penguins by species", loc="left")
    right.legend(loc="lower right", fontsize=9.5, frameon=False)
    left.set(xlabel="Bill length (mm)", ylabel="Bill depth (mm)", ylim=(11, 22))
    right.set(xlabel="Bill length (mm)")
    figure.suptitle("Bill depth against bill length, Palmer Archipelago, 2007 to 2009", fontweight="bold")
    figure.savefig(target, dpi=150)


def main() -> None:
    everyone = pd.read_csv(INPUT)
    birds = everyone.dropna(subset=[X, Y])
    print(f"Read {len(everyone)} penguins; {len(birds)} have both bill measurements.")

    measures = [X, Y, "flipper_length_mm", "body_mass_g"]
    summary = everyone.groupby("species")[measures].agg(["count", "mean", "std"])
    summary.columns = ["_".join(column) for column in summary.columns]  # one header line, as spreadsheets expect
    summary.round(2).to_csv(OUTPUT / "summary.csv")

    groups = [("all", birds), *birds.groupby("species")]
    fits = pd.DataFrame([fit(name, group) for name, group in groups]).set_index("group")
    for name, row in fits.iterrows():
        interval = f"95 % from {row['slope_low95']:+.3f} to {row['slope_high95']:+.3f}"
        print(f"  {name:<10} slope {row['slope']:+.3f} mm per mm ({interval}), r = {row['r']:+.2f}")
    fits.to_csv(OUTPUT / "regressions.csv", float_format="%.6g")

    plot(birds, fits, OUTPUT / "bills.png")
    print("Wrote summary.csv, regressions.csv and bills.png.")


if __name__ == "__main__":
    main()
