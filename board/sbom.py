#!/usr/bin/env python3
"""What `upres` is made of, by cargo's own account; the same inputs give the same bytes.

    board/sbom.py bom TARGET [PROGRAM]   CycloneDX 1.5 as JSON: crates that are linked, crates that only build, and the compiled-in models
    board/sbom.py notices TARGET         the licences of what is linked, with their texts

Needs Python 3.8 and cargo, and the crates' sources on this machine (`cargo fetch`)."""

import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXTS = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense|patents)", re.I)


def metadata(target):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    command += ["--no-default-features", "--features", "device"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def reach(packages, nodes, start, kinds, macros):
    """The packages that `start` needs by dependencies of these kinds; what macros need is passed over unless `macros`."""
    seen, waiting = {start}, [start]
    while waiting:
        for dep in nodes[waiting.pop()]["deps"]:
            wanted = any(kind["kind"] in kinds for kind in dep["dep_kinds"])
            if wanted and dep["pkg"] not in seen and (macros or not is_macro(packages[dep["pkg"]])):
                seen.add(dep["pkg"])
                waiting.append(dep["pkg"])
    return seen


def crates(target):
    """(root, linked, all that builds it, dependencies by id), packages sorted by name and version."""
    found = metadata(target)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    root = found["resolve"]["root"]
    linked = reach(packages, nodes, root, {None}, False)
    every = reach(packages, nodes, root, {None, "build"}, True)
    order = lambda ids: sorted((packages[i] for i in ids - {root}), key=lambda p: (p["name"], p["version"]))
    return packages[root], order(linked), order(every), nodes


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def licence(package):
    # An older way to write it; some crates have a file and no expression.
    return (package["license"] or "see its licence file").replace("/", " OR ")


def checksums():
    text = (ROOT / "Cargo.lock").read_text()
    found = re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"', text)
    return {(name, version): checksum for name, version, checksum in found}


def component(package, checksum, required):
    made = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "scope": "required" if required else "excluded",
        "purl": purl(package),
    }
    if package["license"]:
        made["licenses"] = [{"expression": licence(package)}]
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def model(folder):
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{folder.name}",
        "name": folder.name,
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }


def bom(target, program):
    root, linked, every, nodes = crates(target)
    sums = checksums()
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    names = {package["id"] for package in linked}
    parts = [component(p, sums.get((p["name"], p["version"])), p["id"] in names) for p in every]
    models = [model(path.parent) for path in sorted((ROOT / "models").glob("*/model.onnx"))]
    known = {package["id"]: purl(package) for package in [root, *every]}
    edges = []
    for identity, reference in sorted(known.items(), key=lambda pair: pair[1]):
        needs = {known[dep["pkg"]] for dep in nodes[identity]["deps"] if dep["pkg"] in known}
        if identity == root["id"]:
            needs |= {part["bom-ref"] for part in models}
        edges.append({"ref": reference, "dependsOn": sorted(needs - {reference})})
    own = {
        "type": "application",
        "bom-ref": purl(root),
        "name": root["name"],
        "version": root["version"],
        "description": root["description"],
        "licenses": [{"expression": licence(root)}],
        "purl": purl(root),
        "properties": [{"name": "target", "value": target}],
    }
    if program:
        digest = hashlib.sha256(Path(program).read_bytes()).hexdigest()
        own["hashes"] = [{"alg": "SHA-256", "content": digest}]
    seed = json.dumps([own, parts, models], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, seed)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(epoch), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
        },
        "components": parts + models,
        "dependencies": edges,
    }


def texts(package):
    """Texts of licences in a crate, and in the C library that it brings along."""
    folder = Path(package["manifest_path"]).parent
    places = [folder, *sorted(path for path in (folder / "vendor", folder / "libwebp") if path.is_dir())]
    found = {path for place in places for path in place.iterdir() if path.is_file() and TEXTS.match(path.name)}
    return [path.read_text(errors="replace").replace("\r\n", "\n").strip() for path in sorted(found)]


def notices(target):
    _, linked, _, _ = crates(target)
    users, none = {}, []
    print("Libraries that are compiled into upres, and the terms under which they come.")
    print("The Rust standard library is compiled in as well: MIT OR Apache-2.0, The Rust Project Contributors.\n")
    for package in linked:
        who = ", ".join(re.sub(r" *<[^>]*>", "", author) for author in package["authors"])
        name = f"{package['name']} {package['version']}"
        print(f"{name}: {licence(package)}{f' ({who})' if who else ''}")
        own = texts(package)
        for text in own:
            users.setdefault(text, []).append(name)
        if not own:
            none.append(name)
    print(f"\nWithout a text of their own: {', '.join(none)}")
    for text, names in users.items():
        print(f"\n{'=' * 100}\n{', '.join(dict.fromkeys(names))}\n{'=' * 100}\n{text}")


def main():
    words = sys.argv[1:]
    if len(words) in (2, 3) and words[0] == "bom":
        print(json.dumps(bom(words[1], words[2] if len(words) == 3 else None), indent=1))
    elif len(words) == 2 and words[0] == "notices":
        notices(words[1])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
