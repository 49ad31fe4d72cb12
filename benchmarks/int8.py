"""What each released model loses in int8, and whether its gate lets it through: results/int8.json, and a table.

    python benchmarks/int8.py

Each is exported as `cenet export` does it: first in int8 alone, then with more and more layers in floating point.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from speed_networks import describe_machine
from tabulate import tabulate

from cenet.models.installed import list_installed_models

RESULT = Path(__file__).parents[1] / "results" / "int8.json"
TRIAL = re.compile(r"int8, (.*) in floating point: (.*)")


def export_model(name: str) -> dict[str, Any]:
    """Export a model, and return what each trial lost."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cenet", "export", name, "--precision", "int8"]
        command += ["--output", str(Path(folder, f"{name}.xml"))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    trials = dict(match.groups() for match in TRIAL.finditer(done.stderr))
    if not trials:
        raise SystemExit(f"{name}: {done.stderr}")
    return {"written": done.returncode == 0, "trials": trials}


def int8_table() -> str:
    """The table, for docs/explanation/speed.md."""
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    rows = [
        [name, layers, loss] for name, model in content["models"].items() for layers, loss in model["trials"].items()
    ]
    table = tabulate(rows, ["model", "in floating point", "what it loses"], tablefmt="github", disable_numparse=True)
    return f"{table}\n\nOn a processor with {content['machine']} (`{content['command']}`)."


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    models = {}
    for name in list_installed_models():
        models[name] = export_model(name)
        print(name, json.dumps(models[name], indent=1), flush=True)
    machine = describe_machine()["class"]  # a processor without VNNI is given other kernels
    content = {"command": "python benchmarks/int8.py", "machine": machine, "models": models}
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(int8_table())


if __name__ == "__main__":
    main()
