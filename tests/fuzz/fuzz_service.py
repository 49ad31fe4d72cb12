"""Requests made from the service's own OpenAPI document: `python tests/fuzz/fuzz_service.py`, or `make fuzz`.

Half of them follow the document and half break it; half hold an image, often a mutated one. Each answer must have a
status, a media type and a body that the document names, and none may be a failure of the service. A stub computes in
place of a network. The command writes results/fuzz_service.json.
"""

import argparse
import json
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "service"))
from image_seeds import draw_seeds  # noqa: E402
from mutate import make_mutant  # noqa: E402
from stub_service import ADDRESS, stub_app  # noqa: E402

RESULT = ROOT / "results" / "fuzz_service.json"
EXPECTED = {200, 400, 404, 413, 415, 422, 429, 503}
schemathesis.checks.load_all_checks()
CHECKS = schemathesis.checks.CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)


def send_requests(operation, mode, count, faults):
    """Send requests to a route, and count the statuses of the answers.

    Args:
        operation: The route.
        mode: Whether its document is followed.
        count: How many.
        faults: Gets what is wrong with answers.
    """
    statuses, images = Counter(), draw_seeds()

    @seed(0)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )
    @given(operation.as_strategy(mode), st.none() | st.integers(0, 10**6))
    def send(case, number):
        if number is not None and isinstance(case.body, dict):
            _, content = make_mutant(images, number) if number % 2 else ("", images["PNG colour"])
            case.query.pop("model", None)  # hardly one of those that are made up is served
            case.body |= {"image": content} if "predict-batch" not in operation.label else {"images": [content]}
        answer = case.call(base_url=ADDRESS)
        statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as error:
            faults.extend(
                f"{operation.label}: {failure.title}: {failure.message}"[:300] for failure in error.exceptions
            )
        if answer.status_code not in EXPECTED:
            faults.append(f"{operation.label}: {answer.status_code}")

    send()
    return statuses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    schema = schemathesis.openapi.from_asgi("/openapi.json", stub_app(), headers={"Host": "127.0.0.1"})
    found = [found.ok() for found in schema.get_all_operations()]
    operations = [operation for operation in found if operation.method == "post"]  # the others take nothing
    faults = []
    rows = {
        operation.label: {
            mode.value: dict(
                sorted(send_requests(operation, mode, options.requests // 2 // len(operations), faults).items())
            )
            for mode in GenerationMode
        }
        for operation in operations
    }
    content = {
        "command": f"python tests/fuzz/fuzz_service.py --requests {options.requests}",
        "statuses": rows,
        "faults": faults,
        "environment": {name: metadata.version(name) for name in ("schemathesis", "hypothesis", "fastapi")},
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
