"""The tables of docs/how-to/serve.md and corrections.md and of requests in SECURITY.md, from results/."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def read_result(name: str) -> dict[str, Any] | None:
    """The content of a result; None where it has not been measured."""
    path = RESULTS / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def service_table() -> str:
    """Requests a second and their times, beside the engine alone; then faults and memory."""
    content = read_result("service.json")
    if content is None:
        return "```\npython benchmarks/service_load.py  # measures it\n```"
    lines = [
        "| clients | requests a second | the engine alone | median | 95 % | 99 % | processor time, the engine's |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in content["load"]:
        engine = row["engine"]
        times = " | ".join(f"{row[name]:.2f} s" for name in ("p50_s", "p95_s", "p99_s"))
        computed = f"{row['processor_seconds_per_request']:.3f} s, {engine['processor_seconds_per_image']:.3f} s"
        speed = f"{row['requests_per_second']:.1f} | {engine['images_per_second']:.1f}"
        lines.append(f"| {row['clients']} | {speed} | {times} | {computed} |")
    mutants, memory, stopped = content["statuses_of_mutants"], content["memory"], content["stopped_under_load"]
    counts = ", ".join(f"{count:,} x {status}" for status, count in mutants.items())
    answers = ", ".join(f"{count} x {status}" for status, count in stopped["statuses"].items())
    marks = memory["resident_mib"]
    return "\n".join(
        [
            *lines,
            "",
            f"- Images of {content['image_px']} px, the slim CE-Net on {content['cores']} core(s), which clients and "
            "server share.",
            f"- {sum(mutants.values()):,} mutated or hostile bodies were answered: {counts}.",
            f"- Resident memory over {memory['minutes']:g} minutes and {memory['requests']:,} requests: {marks[0]} MiB "
            f"at first, {max(marks)} MiB at most, {marks[-1]} MiB in the end.",
            f"- SIGTERM while eight clients asked: {answers}; the process ended with {stopped['exit_status']}.",
            "",
            f"`{content['command']}`",
        ]
    )


def requests_table() -> str:
    """How the service answered requests made from its OpenAPI document."""
    content = read_result("fuzz_service.json")
    if content is None:
        return "```\npython tests/fuzz/fuzz_service.py  # measures it\n```"
    lines = ["| request | follows the document | breaks it |", "|---|---|---|"]
    for label, modes in content["statuses"].items():
        cells = [
            ", ".join(f"{count:,} x {status}" for status, count in modes[mode].items())
            for mode in ("positive", "negative")
        ]
        lines.append(f"| `{label}` | {' | '.join(cells)} |")
    faults, versions = content["faults"], content["environment"]
    return "\n".join(
        [
            *lines,
            "",
            f"Answers of a status, media type or body that the document does not name: {len(faults)}.",
            "",
            f"`{content['command']}`, with schemathesis {versions['schemathesis']}.",
        ]
    )


def corrections_table() -> str:
    """Dice before and after training further on corrections."""
    content = read_result("corrections.json")
    if content is None:
        return "```\npython benchmarks/corrections.py  # measures it\n```"
    kinds = list(content["test_images"])
    titles = []
    for kind, count in content["test_images"].items():
        is_range = any(row[kind]["method"].startswith("range") for row in content["rows"].values())
        titles.append(f"{kind}, {count} images: mean ({'range' if is_range else '95 % interval'})")
    lines = [f"| model | {' | '.join(titles)} |", "|---|---|---|"]
    for title, row in content["rows"].items():
        cells = [f"{row[kind]['dice']:.3f} ({row[kind]['low']:.3f} to {row[kind]['high']:.3f})" for kind in kinds]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(
        [
            *lines,
            "",
            f"Dice of images. {content['corrected_images']} images were corrected, "
            f"{content['changed_pixels_an_image']:,} pixels in each; {content['processor_seconds']} s of one core.",
            "",
            f"`{content['command']}`",
        ]
    )
