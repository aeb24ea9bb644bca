#!/usr/bin/env python3
"""The bill of materials of a build, as CycloneDX 1.5 JSON: sbom.py BINARY TARGET < `cargo metadata`.

What the program is made of, and nothing that only tests or builds use."""

import hashlib
import json
import os
import sys
from datetime import datetime, timezone


def main():
    binary, target = sys.argv[1], sys.argv[2]
    metadata = json.load(sys.stdin)
    packages = {p["id"]: p for p in metadata["packages"]}
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    root = next(p for p in packages.values() if p["name"] == "salt-agent")

    def needs(node):
        normal = lambda dep: any(kind["kind"] is None for kind in dep["dep_kinds"])
        return sorted(dep["pkg"] for dep in node["deps"] if normal(dep))

    seen, todo = set(), [root["id"]]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo.extend(needs(nodes[one]))

    def ref(package):
        return f"pkg:cargo/{package['name']}@{package['version']}"

    def component(package):
        found = {
            "type": "library",
            "bom-ref": ref(package),
            "name": package["name"],
            "version": package["version"],
            "purl": ref(package),
        }
        if package.get("license"):
            found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        return found

    with open(binary, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    # Two builds of one commit have one bill.
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    chosen = sorted((packages[i] for i in seen if i != root["id"]), key=ref)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                **component(root),
                "type": "application",
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [{"name": "target", "value": target}],
            },
        },
        "components": [component(p) for p in chosen],
        "dependencies": [
            {"ref": ref(packages[i]), "dependsOn": sorted(ref(packages[d]) for d in needs(nodes[i]))}
            for i in sorted(seen, key=lambda i: ref(packages[i]))
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


main()
