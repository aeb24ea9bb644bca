#!/usr/bin/env python3
"""The bill of materials of a build for TRIPLE, as CycloneDX 1.5 JSON: sbom.py BINARY TRIPLE LIBC.

What the program is made of, and nothing that only tests, builds or other programs of the workspace use: the metadata
unite the features of all of them, so that `cargo tree` has the last word."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import datetime, timezone


def cargo(*words):
    ran = subprocess.run(["cargo", *words, "--locked"], stdout=subprocess.PIPE, check=True, text=True)
    return ran.stdout


def main():
    binary, triple, libc = sys.argv[1:4]
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", triple))
    edges = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    tree = cargo("tree", "--package", "salt-agent", "--target", triple, *edges)
    linked = {tuple(line.split()[:2]) for line in tree.splitlines()}
    packages = {p["id"]: p for p in metadata["packages"]}
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    root = next(p for p in packages.values() if p["name"] == "salt-agent")

    def needs(node):
        def is_linked(dep):
            package = packages[dep["pkg"]]
            normal = any(kind["kind"] is None for kind in dep["dep_kinds"])
            return normal and (package["name"], f"v{package['version']}") in linked

        return sorted(dep["pkg"] for dep in node["deps"] if is_linked(dep))

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
        # CycloneDX takes expressions of SPDX and names of others, and cargo takes anything.
        if package.get("license", "unknown") not in (None, "unknown"):
            found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        elif package.get("license_file"):
            found["licenses"] = [{"license": {"name": package["license_file"]}}]
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
                "properties": [{"name": "target", "value": triple}, {"name": "libc", "value": libc}],
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
