"""What a run of all traces has given, by version of MQTT. usage: measured.py PROFILE REPORT [--write]

REPORT is what `mqtt-conformance run -v` prints. With --write the sums, today's date and the version of the suite are put into the
profile, as `[measured]`.
"""
import collections
import datetime
import re
import sys

profile, report = sys.argv[1:3]
LINE = re.compile(r"^\S+: \[live (?:broker|client), MQTT ([0-9.]+)\] (passed|failed|known|fixed|not.applicable)\b", re.M)
# Versions of which nothing was run are those that the broker does not claim.
sums = collections.defaultdict(collections.Counter)
for version, status in LINE.findall(open(report, encoding="utf-8").read()):
    sums[version][status.replace("-", " ")] += 1
sums = {version: count for version, count in sorted(sums.items()) if any(status != "not applicable" for status in count)}
for version, count in sums.items():
    print(f"MQTT {version}: " + ", ".join(f"{count[status]} {status}" for status in ("passed", "known", "not applicable", "fixed", "failed") if count[status]))

if "--write" in sys.argv:
    if any(count["failed"] for count in sums.values()):
        sys.exit(f"{profile} is not written: there are failures that are not known")
    suite = re.search(r'^version = "(.*)"', open("Cargo.toml", encoding="utf-8").read(), re.M).group(1)
    block = f'[measured]\ndate = "{datetime.date.today()}"\nsuite = "{suite}"\nruns = [\n'
    for version, count in sums.items():
        passed = count["passed"] + count["fixed"]
        block += f'    {{ version = "{version}", passed = {passed}, known = {count["known"]}, not_applicable = {count["not applicable"]} }},\n'
    text = open(profile, encoding="utf-8").read()
    measured = re.compile(r"^\[measured\]\n.*?^\]\n", re.M | re.S)
    if measured.search(text):
        text = measured.sub(lambda _: block + "]\n", text, count=1)
    else:
        text = text.replace("[[known]]", block + "]\n\n[[known]]", 1)
    open(profile, "w", encoding="utf-8").write(text)
