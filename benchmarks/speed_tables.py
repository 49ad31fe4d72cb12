"""Tables of results/engines: each part as it was measured, and the aims beside the measured values."""

import json
from pathlib import Path
from typing import Any

from tabulate import tabulate

RESULTS = Path(__file__).parents[1] / "results" / "engines"
TITLES = {
    "peaks": "Largest rate of a product of matrices",
    "latency": "One image of 448x448 px",
    "latency-batch": "Eight images of 448x448 px at once",
    "latency-drive": "One photograph of DRIVE at twice its size, 1184x1152 px with padding",
    "latency-drive-batch": "Eight of them at once",
    "views": "The mean of eight views of one image of 448x448 px",
    "training": "A training step of two crops of 448x448 px",
    "memory": "Peak memory of a process that computes one image",
    "first-mask": "From typing `cenet predict` to the mask of one photograph",
    "folder": "A folder of photographs, with reading and writing",
}
COLUMNS = {
    "network": "network",
    "engine": "engine",
    "precision": "precision",
    "seconds": "seconds",
    "images_per_second": "images/s",
    "ratio": "ratio",
    "giga_macs": "billion operations an image",
    "share_of_peak": "of the peak",
    "megabytes_448": "448x448, MB",
    "megabytes_drive": "DRIVE, MB",
    "seconds_of_an_image": "s an image",
    "seconds_of_the_network": "s of the network",
}
# Of the ratio to the authors' network in float32 on the same machine: with AMX, and without.
AIMS = (
    ("latency", "cenet", ("fp32",), "one image, float32, equal masks", 0.30, 0.56),
    ("latency", "cenet", ("bf16",), "one image, bfloat16", 0.30, 0.56),
    ("latency", "cenet", ("int8",), "one image, int8 before its gate", 0.15, 0.19),
    ("latency", "cenet-lite", ("fp32",), "one image, float32, equal masks", 0.10, 0.18),
    ("latency", "cenet-lite", ("bf16",), "one image, bfloat16", 0.10, 0.18),
    ("latency", "cenet-lite", ("int8",), "one image, int8 before its gate", 0.07, 0.10),
    ("views", "cenet", ("fp32",), "eight views, float32, equal masks", 0.28, 0.54),
    ("views", "cenet", ("bf16",), "eight views, bfloat16", 0.28, 0.54),
    ("training", "cenet", ("fp32", "bf16"), "training step", 0.40, 0.75),
    ("training", "cenet-lite", ("fp32", "bf16"), "training step", 0.25, 0.33),
)
FIRST_MASK_AIMS = {"PyTorch": 5.0, "ONNX Runtime": 2.0, "OpenVINO": 2.0}  # seconds
FOLDER_AIM = 1.15  # times the network's own time


def format_part(content: dict[str, Any], name: str) -> str:
    """A part of the result as Markdown.

    Args:
        content: Of a file in results/engines.
        name: Of the part.
    """
    part = content["parts"][name]
    rows, machine = part["rows"], part["machine"]
    if name == "peaks":
        rates = ", ".join(f"{precision} {rate:g}" for precision, rate in rows.items())
        return f"**{TITLES[name]}**, billion multiplications with addition a second: {rates}."
    names = [column for column in COLUMNS if column in rows[0]]
    table = tabulate(
        [["" if row[column] is None else row[column] for column in names] for row in rows],
        [COLUMNS[column] for column in names],
        tablefmt="github",
        disable_numparse=True,
    )
    return f"**{TITLES[name]}** ({_count_threads(machine)})\n\n{table}"


def format_aims(content: dict[str, Any]) -> str:
    """The aims beside the best measured value of each, and what bounds those that are missed.

    Args:
        content: Of a file in results/engines.
    """
    lines = []
    for part, network, precisions, title, with_amx, without in AIMS:
        measured = content["parts"].get(part, {"rows": []})
        rows = [row for row in measured["rows"] if row["network"] == network and row["precision"] in precisions]
        if not rows:
            continue
        best = min(rows, key=lambda row: row["ratio"])
        aim = with_amx if measured["machine"]["class"] == "AMX" else without
        bound = "" if best["ratio"] <= aim else _describe_bound(best)
        lines.append([network, title, aim, best["ratio"], f"{best['engine']} {best['precision']}", bound])
    for row in content["parts"].get("first-mask", {"rows": []})["rows"]:
        aim = FIRST_MASK_AIMS[row["engine"]]
        bound = "" if row["seconds"] <= aim else "imports, loading the model, and the image itself"
        lines.append([row["network"], "first mask, s", aim, row["seconds"], row["engine"], bound])
    for row in content["parts"].get("folder", {"rows": []})["rows"]:
        extra = row["seconds_of_an_image"] - row["seconds_of_the_network"]
        bound = "" if row["ratio"] <= FOLDER_AIM else f"{extra:.2f} s of each image are reading, resizing and writing"
        lines.append([row["network"], "folder, times the network", FOLDER_AIM, row["ratio"], row["engine"], bound])
    header = ["network", "what", "aim", "measured", "by", "what bounds it"]
    return tabulate(lines, header, tablefmt="github", disable_numparse=True)


def _describe_bound(row: dict[str, Any]) -> str:
    if "share_of_peak" not in row:
        return "the network's own passes"
    if row["share_of_peak"] is None:
        return f"the processor has no instructions for {row['precision']}"
    return f"it reaches {row['share_of_peak']:.0%} of the peak; {row['giga_macs']:g} billion operations"


def _count_threads(machine: dict[str, Any]) -> str:
    return f"{machine['threads']} thread" + ("s" if machine["threads"] > 1 else "")


def load_contents() -> dict[str, dict[str, Any]]:
    """What was measured, for each class of machine."""
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    return {content["parts"]["peaks"]["machine"]["class"]: content for content in contents}


def aims_table() -> str:
    """The tables of aims, for docs/explanation/speed.md."""
    return "\n\n".join(
        f"**On a processor with {name}**\n\n{format_aims(content)}" for name, content in load_contents().items()
    )


def speed_tables() -> str:
    """Every part, for docs/explanation/speed.md."""
    sections = []
    for machine, content in load_contents().items():
        parts = [format_part(content, name) for name in TITLES if name in content["parts"]]
        sections.append("\n\n".join([f"**On a processor with {machine}**", *parts, f"`{content['command']}`"]))
    return "\n\n".join(sections)
