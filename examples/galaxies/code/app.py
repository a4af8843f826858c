"""Count the galaxies in a piece of the Hubble eXtreme Deep Field; measure size, brightness and colour of each."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # there is no screen in the container: draw straight into a file

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import EllipseCollection
from skimage import feature, filters, io, measure, segmentation

INPUT = Path("/input/deep_field.jpg")
OUTPUT = Path("/output")
THRESHOLD_SIGMA = 6.0  # how far above the noise of the dark sky light must stand to count
MIN_AREA = 9  # pixels; anything smaller is a hot pixel or a trace of the JPEG compression
PEAK_DISTANCE = 5  # pixels; two peaks closer than this are one object (a spiral arm, not a neighbour)


def detect(light: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Label image of the objects (0 is sky), and the level and noise of the sky."""
    smooth = filters.gaussian(light, sigma=1.0)
    sky = float(np.median(smooth))
    # Noise from the median deviation: the objects are outliers to it, they would inflate a standard deviation.
    noise = 1.4826 * float(np.median(np.abs(smooth - sky)))
    bright = smooth > sky + THRESHOLD_SIGMA * noise
    # Galaxies that touch are parted along the valley between their peaks. More smoothing for the search,
    # so that the texture within one big galaxy does not cut it to pieces.
    broad = filters.gaussian(light, sigma=2.0)
    peaks = feature.peak_local_max(broad, min_distance=PEAK_DISTANCE, labels=measure.label(bright))
    seeds = np.zeros(light.shape, dtype=int)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return segmentation.watershed(-broad, seeds, mask=bright), sky, noise


def measure_objects(picture: np.ndarray, labels: np.ndarray, noise: float) -> pd.DataFrame:
    """One row per object, the brightest first."""
    above_sky = picture - np.median(picture, axis=(0, 1))
    rows = []
    for region in measure.regionprops(labels, intensity_image=above_sky):
        if region.area < MIN_AREA:
            continue
        y, x = region.centroid
        # A channel that shows less than the noise counts as the noise: its colour is then a limit, not a measurement.
        red, green, blue = np.maximum(region.intensity_mean, noise) * region.area
        major, minor = region.axis_major_length, max(region.axis_minor_length, 1.0)
        rows.append({
            "x_px": x, "y_px": y, "area_px": int(region.area), "brightness": red + green + blue,
            "color_mag": 2.5 * np.log10(red / blue), "major_px": major, "minor_px": minor,
            "angle_deg": 90 - np.degrees(region.orientation),
        })  # fmt: skip
    table = pd.DataFrame(rows).sort_values("brightness", ascending=False, ignore_index=True)
    table.index = pd.RangeIndex(1, len(table) + 1, name="object")
    return table


def plot(picture: np.ndarray, table: pd.DataFrame, target: Path) -> None:
    """Left: every object with its ellipse. Right: the diagram an astronomer would ask for first."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 7), width_ratios=[1.5, 1], layout="constrained")
    shade = plt.Normalize(-1.0, 1.5)
    left.imshow(picture / 255)
    # Ellipses 1.6 times the size, and never tiny, so that the line does not hide what it marks.
    size = np.maximum(1.6 * table[["major_px", "minor_px"]].to_numpy(), 9)
    ellipses = EllipseCollection(
        size[:, 0], size[:, 1], table["angle_deg"].to_numpy(), units="xy", offsets=table[["x_px", "y_px"]].to_numpy(),
        offset_transform=left.transData, facecolors="none", linewidths=0.9,
        edgecolors=plt.cm.coolwarm(shade(table["color_mag"])),
    )  # fmt: skip
    left.add_collection(ellipses)
    for number, row in table.head(10).iterrows():
        # below the ellipse, where no ellipse of its own crosses the number
        left.annotate(
            str(number), (row["x_px"], row["y_px"] + 0.8 * row["major_px"]), color="white", weight="bold",
            xytext=(0, -3), textcoords="offset points", ha="center", va="top",
        )  # fmt: skip
    left.set(xlabel="x (pixels)", ylabel="y (pixels)", title=f"{len(table)} objects; the ten brightest are numbered")
    magnitude = -2.5 * np.log10(table["brightness"] / table["brightness"].max())
    dots = right.scatter(magnitude, table["color_mag"], c=table["color_mag"], norm=shade, cmap="coolwarm",
                         s=10 + table["area_px"] / 4, edgecolors="0.3", linewidths=0.4)  # fmt: skip
    right.set(xlabel="Magnitudes fainter than the brightest", ylabel="Colour: red against blue (magnitudes)",
              title="Colour and brightness (dot size: area)")  # fmt: skip
    figure.colorbar(dots, ax=right, label="bluer  ←  colour  →  redder")
    figure.suptitle("Galaxies in a piece of the Hubble eXtreme Deep Field", fontweight="bold")
    figure.savefig(target, dpi=130)


def main() -> None:
    picture = io.imread(INPUT).astype(float)
    print(f"Read a picture of {picture.shape[1]} x {picture.shape[0]} pixels.")
    labels, sky, noise = detect(picture.mean(axis=2))
    print(f"Sky level {sky:.1f}, noise {noise:.2f} (of 255); objects start {THRESHOLD_SIGMA:g} times the noise above.")
    table = measure_objects(picture, labels, noise)
    print(f"Found {len(table)} objects of at least {MIN_AREA} pixels; half are under {table['area_px'].median():.0f}.")
    table.round(3).to_csv(OUTPUT / "objects.csv")
    plot(picture, table, OUTPUT / "objects.png")
    print("Wrote objects.csv and objects.png.")


if __name__ == "__main__":
    main()
