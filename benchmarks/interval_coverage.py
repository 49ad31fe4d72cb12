"""How often an interval of 95 % holds the truth, and how often a test finds a difference, by simulation.

It makes results/coverage.json, results/coverage.md and the tables of docs/explanation/intervals.md. Some six minutes on
one core.
"""

import json
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ranked_networks
import scipy
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from cenet.evaluation.intervals import Interval, Statistic, interval_of_mean, interval_of_pooled

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "results" / "coverage.json"
TABLE = ROOT / "results" / "coverage.md"
PAGE = ROOT / "docs" / "explanation" / "intervals.md"
COMMAND = "python benchmarks/interval_coverage.py"
DATA_SETS = {8: 2000, 20: 2000, 50: 2000, 200: 1000}  # simulated, for each number of groups
RESAMPLES = 1000
SEED = 1
Array = NDArray[Any]
Rng = np.random.Generator


def dice_like(rng: Rng, size: tuple[int, ...]) -> Array:
    return rng.beta(18, 2, size)


def with_failures(rng: Rng, size: tuple[int, ...]) -> Array:
    return np.where(rng.random(size) < 0.1, rng.uniform(0, 0.2, size), rng.beta(18, 2, size))


def long_tailed(rng: Rng, size: tuple[int, ...]) -> Array:
    return rng.lognormal(0, 1, size)


MEANS: dict[str, tuple[Callable[[Rng, tuple[int, ...]], Array], float]] = {  # how to draw scores, and their true mean
    "mean, Dice-like: Beta(18, 2)": (dice_like, 0.9),
    "mean, Dice-like with 10 % failures": (with_failures, 0.9 * 0.9 + 0.1 * 0.1),
    "mean, distance-like: log-normal": (long_tailed, float(np.exp(0.5))),
}
SPREADS = {"pooled Dice, groups of like size": 0.3, "pooled Dice, a few large groups": 1.0}
CLUSTERED = "mean, 1 to 6 alike images in each group"
WIDENED = "BCa, widened for few groups"


def counts(rng: Rng, size: tuple[int, ...], spread: float) -> Array:
    """True positives, false positives and false negatives of each group; the larger object is the easier one."""
    effort = rng.normal(size=size)
    foreground = 1000 * np.exp(spread * effort)
    missed, added = (rng.beta(2, 14, size) * np.exp(-0.2 * effort) for _ in range(2))
    missed = np.minimum(missed, 1)
    return np.stack([foreground * (1 - missed), foreground * added, foreground * missed], axis=-1)


def dice(sums: Array) -> Array:
    return 2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2])


def mean(sums: Array) -> Array:
    return sums[:, 0] / sums[:, 1]


def percentile(scores: Array) -> Array:
    """The plain bootstrap of the mean, of each row: the one draw serves all rows."""
    groups = scores.shape[1]
    draws = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES)
    return np.quantile(scores @ draws.T / groups, [0.025, 0.975], axis=1).T


def ends(intervals: list[Interval]) -> Array:
    return np.array([(interval.low, interval.high) for interval in intervals])


def bootstraps(data: Array, statistic: Statistic) -> dict[str, Array]:
    """The BCa bootstrap of each data set, without and with the widening for few groups."""
    groups = data.shape[1]
    narrower = 2 * float(stdtr(groups - 1, ndtri(0.975) * np.sqrt((groups - 1) / groups))) - 1  # widened, it is 0.95
    return {
        method: ends([interval_of_pooled(sums, statistic, confidence=share, resamples=RESAMPLES) for sums in data])
        for method, share in [("BCa bootstrap", narrower), (WIDENED, 0.95)]
    }


def of_means(rng: Rng, groups: int) -> dict[tuple[str, str], tuple[Array, float]]:
    """Intervals of the mean of independent images, by four methods, and the truth."""
    names = [str(number) for number in range(groups)]
    found = {}
    for figure, (draw, truth) in MEANS.items():
        scores = draw(rng, (DATA_SETS[groups], groups))
        found[figure, "t (ours)"] = ends([interval_of_mean(row, names) for row in scores]), truth
        found[figure, "percentile bootstrap"] = percentile(scores), truth
        sums = np.stack([scores, np.ones_like(scores)], axis=-1)
        found.update({(figure, method): (intervals, truth) for method, intervals in bootstraps(sums, mean).items()})
    return found


def of_clusters(rng: Rng, groups: int) -> dict[tuple[str, str], tuple[Array, float]]:
    """Intervals of the mean where images of a group are alike, and what they are if one overlooks that."""
    over_groups, over_images = [], []
    for _ in range(DATA_SETS[groups]):
        member = np.repeat(np.arange(groups), rng.integers(1, 7, groups))
        scores = rng.beta(18, 2, groups)[member] + rng.normal(0, 0.03, len(member))
        over_groups.append(interval_of_mean(scores, member.astype(str)))
        over_images.append(interval_of_mean(scores, np.arange(len(member)).astype(str)))
    return {(CLUSTERED, "t (ours)"): (ends(over_groups), 0.9), (CLUSTERED, "t over images"): (ends(over_images), 0.9)}


def of_pooled(rng: Rng, groups: int) -> dict[tuple[str, str], tuple[Array, float]]:
    """Intervals of a pooled Dice, and the truth: that of a population of four million groups."""
    found = {}
    for figure, spread in SPREADS.items():
        population = sum(counts(np.random.default_rng(part), (10**6,), spread).sum(axis=0) for part in range(4))
        data = counts(rng, (DATA_SETS[groups], groups), spread)
        truth = float(dice(population[None])[0])
        for method, intervals in bootstraps(data, dice).items():
            found[figure, f"{method} (ours)" if method == WIDENED else method] = intervals, truth
    return found


def simulate() -> list[dict[str, Any]]:
    """Coverage of every figure and method for each number of groups."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for groups in DATA_SETS:
        rng = np.random.default_rng([SEED, groups])
        for (figure, method), (intervals, truth) in {
            **of_means(rng, groups),
            **of_clusters(rng, groups),
            **of_pooled(rng, groups),
        }.items():
            row = rows.setdefault((figure, method), {"figure": figure, "method": method, "truth": truth, "groups": {}})
            row["groups"][str(groups)] = count_covered(intervals, truth)
    return list(rows.values())


def simulate_ranked() -> list[dict[str, Any]]:
    """Coverage of a pooled AUC and calibration error for each number of groups."""
    rows: dict[str, dict[str, Any]] = {}
    for groups in DATA_SETS:
        covered = ranked_networks.simulate_coverage(np.random.default_rng([SEED, groups, 1]), groups)
        for figure, (intervals, truth) in covered.items():
            row = rows.setdefault(
                figure, {"figure": figure, "method": f"{WIDENED} (ours)", "truth": truth, "groups": {}}
            )
            row["groups"][str(groups)] = count_covered(intervals, truth)
    return list(rows.values())


def count_covered(intervals: Array, truth: float) -> dict[str, Any]:
    """How many of the data sets have an interval that holds the truth."""
    share = float(np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])))
    return {
        "data_sets": len(intervals),
        "coverage": share,
        "standard_error": float(np.sqrt(share * (1 - share) / len(intervals))),
    }


def rendered(report: dict[str, Any]) -> str:
    """The table of a report, as Markdown."""
    sizes = list(report["rows"][0]["groups"])
    lines = [
        f"| metric | interval | {' | '.join(f'{size} groups' for size in sizes)} |",
        "|---|---|" + "---|" * len(sizes),
    ]
    for row in report["rows"]:
        cells = (
            f"{100 * cell['coverage']:.1f} ± {100 * cell['standard_error']:.1f}" for cell in row["groups"].values()
        )
        lines.append(f"| {row['figure']} | {row['method']} | {' | '.join(cells)} |")
    return "\n".join(
        [
            *lines,
            "",
            "Percent of simulated data sets whose interval of 95 % holds the truth, ± the simulation's standard error "
            f"(`{report['command']}`). `(ours)` is what reports hold.",
        ]
    )


def rendered_power(report: dict[str, Any]) -> str:
    """How often each test of an AUC finds a difference, as Markdown."""
    shifts = list(report["power"]["tests"][0]["with gain"])
    columns = [("no gain", "without gain", shift) for shift in shifts] + [
        ("true gain", "with gain", shift) for shift in shifts
    ]
    lines = [
        f"| test | {' | '.join(f'{title}, shift {float(shift):g}' for title, _, shift in columns)} |",
        "|---|" + "---|" * len(columns),
    ]
    for row in report["power"]["tests"]:
        cells = [row[column][shift] for _, column, shift in columns]
        shares = [f"{100 * cell['share']:.0f} ± {100 * cell['standard_error']:.0f}" for cell in cells]
        lines.append(f"| {row['test']} | {' | '.join(shares)} |")
    power = report["power"]
    return "\n".join(
        [
            *lines,
            "",
            f"Percent of {power['data_sets']} simulated pairs of cross-validations with p of 0.05 or less, ± the "
            f"simulation's standard error: {power['groups']} photographs in {power['folds']} folds, pooled within "
            "folds. Without a true gain it should be 5; with one, the more the better. The shift is by how much the "
            "logits of two networks of a fold differ in the mean (standard deviation); it changes no rank within a "
            "network.",
        ]
    )


def main() -> None:
    report = {
        "command": COMMAND,
        "confidence": 0.95,
        "resamples": RESAMPLES,
        "seed": SEED,
        "rows": [*simulate(), *simulate_ranked()],
        "power": {
            "groups": ranked_networks.GROUPS,
            "folds": ranked_networks.FOLDS,
            "data_sets": ranked_networks.POWER_DATA_SETS,
            "tests": ranked_networks.simulate_power(SEED),
        },
        "environment": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    write_tables(report)
    print(rendered(report), rendered_power(report), sep="\n\n")


def write_tables(report: dict[str, Any]) -> None:
    """Write the tables of a report beside it and into the page that explains them."""
    coverage, power = rendered(report), rendered_power(report)
    TABLE.write_text(
        f"# Coverage of the intervals\n\n{coverage}\n\n# Power of tests of an AUC\n\n{power}\n", encoding="utf-8"
    )
    page = PAGE.read_text(encoding="utf-8")
    for marker, table in (("coverage", coverage), ("power", power)):
        pattern = rf"(<!-- {marker}: rendered -->\n).*?(<!-- end -->)"
        page = re.sub(pattern, lambda match, table=table: f"{match[1]}{table}\n{match[2]}", page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
