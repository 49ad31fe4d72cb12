"""Look for known advisories of the versions in requirement files: `python .ci/audit.py FILE ...`.

The status is not 0 where there is an advisory, or where versions could not be looked up: without a source of
advisories, pip-audit itself finds nothing wrong.
"""

import json
import subprocess
import sys

advisories, unknown, looked_up = [], [], 0
for file in sys.argv[1:]:
    options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--requirement", file)
    audit = subprocess.run((sys.executable, "-m", "pip_audit", *options), capture_output=True, text=True, check=False)
    packages = json.loads(audit.stdout)["dependencies"] if audit.stdout.strip() else []
    looked_up += len([package for package in packages if "skip_reason" not in package])
    unknown += [package["name"] for package in packages if "skip_reason" in package] or ([] if packages else [file])
    for package in packages:
        for advisory in package.get("vulns", ()):
            fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
            advisories.append(f"{file}: {package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
if not looked_up:
    sys.exit("audit: no source of advisories can be reached, so nothing was looked up")
print("\n".join(advisories) if advisories else f"no advisory is known of the {looked_up} versions that were looked up")
if unknown:
    print(f"audit: {len(unknown)} packages could not be looked up: {', '.join(unknown)}", file=sys.stderr)
sys.exit(bool(advisories or unknown))
