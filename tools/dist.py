#!/usr/bin/env python3
"""Makes the packages of a release from one program: an archive, a wheel, two npm packages, a container image, a Homebrew
formula, a bill of materials and the checksums of all of them. The same program and the same commit give the same bytes.
Standard library only.

Usage: tools/dist.py --binary PROGRAM --pack PROGRAM [--out FOLDER] [--url FOLDER_OF_THE_ARCHIVES]"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import tomllib
import uuid
import zipfile
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "deployer"
# The program is static, so that the packages for glibc are those for musl, too.
TARGET = "x86_64-unknown-linux-gnu"
WHEEL_TAGS = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64")
# Packages of which the program consists; the workers travel in it.
ROOTS = ("deployer", "etl-functions", "etl-task")
SHELLS = {"bash": "deployer.bash", "fish": "deployer.fish", "zsh": "_deployer"}
LAUNCHER = Path(__file__).parent / "packages" / "launcher.js"


def run(*command):
    """Returns what a command writes to stdout."""
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(map(str, command))}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def epoch():
    """Returns the time of the release: that of the commit, unless SOURCE_DATE_EPOCH names another."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None and (ROOT / ".git").exists():
        given = run("git", "log", "-1", "--format=%ct").decode().strip()
    if given is None:
        raise SystemExit("error: there is no commit here whose time the files could have; set SOURCE_DATE_EPOCH")
    return int(given)


def tar(entries, time):
    """Returns a compressed archive of files, given as name → (content, mode), with nothing of this machine in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in sorted(entries.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), mode, time
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), compresslevel=9, mtime=0)


def archive(release, time):
    """Returns the archive, which Homebrew and cargo-binstall install: the program, its manual and its completions."""
    folder = f"{NAME}-{release['version']}-{TARGET}"
    entries = {f"{folder}/{NAME}": (release["program"], 0o755)}
    for name in ("LICENSE", "README.md", "CHANGELOG.md"):
        entries[f"{folder}/{name}"] = ((ROOT / name).read_bytes(), 0o644)
    for shell, name in SHELLS.items():
        entries[f"{folder}/completions/{name}"] = (run(release["path"], "completions", shell), 0o644)
    manual = release["scratch"] / "man1"
    run(release["path"], "--quiet", "man", "--out", manual)
    for page in sorted(manual.iterdir()):
        entries[f"{folder}/man/man1/{page.name}"] = (page.read_bytes(), 0o644)
    return f"{folder}.tar.gz", tar(entries, time)


def wheel(release, time):
    """Returns the wheel, with the program as a script that pip puts on the PATH.

    <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>"""
    version = release["version"]
    info = f"{NAME}-{version}.dist-info"
    tags = "".join(f"Tag: py3-none-{tag}\n" for tag in WHEEL_TAGS)
    metadata = (
        f"Metadata-Version: 2.4\nName: {NAME}\nVersion: {version}\nSummary: {release['description']}\n"
        f"License-Expression: {release['license']}\nLicense-File: LICENSE\nRequires-Python: >=3.8\n"
        "Description-Content-Type: text/markdown\n\n"
    )
    files = {
        f"{NAME}-{version}.data/scripts/{NAME}": (release["program"], 0o755),
        f"{info}/METADATA": (metadata.encode() + (ROOT / "README.md").read_bytes(), 0o644),
        f"{info}/WHEEL": (f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: false\n{tags}".encode(), 0o644),
        f"{info}/licenses/LICENSE": ((ROOT / "LICENSE").read_bytes(), 0o644),
    }
    record = ""
    for name, (content, _) in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = (f"{record}{info}/RECORD,,\n".encode(), 0o644)
    out = io.BytesIO()
    moment = datetime.fromtimestamp(time, timezone.utc).timetuple()[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name, (content, mode) in files.items():
            entry = zipfile.ZipInfo(name, moment)
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | mode) << 16
            target.writestr(entry, content)
    return f"{NAME}-{version}-py3-none-{'.'.join(WHEEL_TAGS)}.whl", out.getvalue()


def npm(release, time):
    """Returns the npm packages: the program of one platform, and the launcher, which takes that of the machine."""
    version, platform = release["version"], f"{NAME}-linux-x64"
    about = {"version": version, "description": release["description"], "license": release["license"]}
    of_platform = {"name": platform, **about, "os": ["linux"], "cpu": ["x64"], "files": ["bin"]}
    launcher = {
        "name": NAME,
        **about,
        "bin": {NAME: "bin/launcher.js"},
        "files": ["bin"],
        "engines": {"node": ">=18"},
        "optionalDependencies": {platform: version},
    }
    license_file = ((ROOT / "LICENSE").read_bytes(), 0o644)
    packages = (
        (of_platform, {f"package/bin/{NAME}": (release["program"], 0o755)}),
        (launcher, {"package/bin/launcher.js": (LAUNCHER.read_bytes(), 0o755),
                    "package/README.md": ((ROOT / "README.md").read_bytes(), 0o644)}),
    )
    for manifest, files in packages:
        text = json.dumps(manifest, indent=2) + "\n"
        entries = {"package/package.json": (text.encode(), 0o644), "package/LICENSE": license_file, **files}
        yield f"{manifest['name']}-{version}.tgz", tar(entries, time)


def formula(release, url, name, content):
    """Returns the formula of Homebrew for an archive."""
    return f"{NAME}.rb", f'''class Deployer < Formula
  desc "{release['description'].rstrip('.')}"
  homepage "{url}"
  url "{url.rstrip('/')}/{name}"
  version "{release['version']}"
  sha256 "{hashlib.sha256(content).hexdigest()}"
  license "{release['license']}"

  depends_on arch: :x86_64
  depends_on :linux

  def install
    bin.install "{NAME}"
    bash_completion.install "completions/{SHELLS['bash']}" => "{NAME}"
    fish_completion.install "completions/{SHELLS['fish']}"
    zsh_completion.install "completions/{SHELLS['zsh']}"
    man1.install Dir["man/man1/*.1"]
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/{NAME} --version")
  end
end
'''.encode()


def materials(release, time):
    """Returns the bill of materials in the form of CycloneDX 1.6: every package that is compiled into the program or into
    its workers, from Cargo's own lock file."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET))
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in locked}
    packages = {one["id"]: one for one in metadata["packages"]}
    nodes = {one["id"]: one for one in metadata["resolve"]["nodes"]}
    # Build scripts and macros run when the program is built; their code is not in it, but decides what is.
    compiled = lambda needed: any(kind["kind"] != "dev" for kind in needed["dep_kinds"])
    needs = {key: sorted({one["pkg"] for one in node["deps"] if compiled(one)}) for key, node in nodes.items()}
    waiting = [key for key, one in packages.items() if one["name"] in ROOTS]
    reached = set(waiting)
    while waiting:
        for key in needs[waiting.pop()]:
            if key not in reached:
                reached.add(key)
                waiting.append(key)
    # The identifiers of Cargo contain the folder of packages of this repository.
    reference = lambda key: f"pkg:cargo/{packages[key]['name']}@{packages[key]['version']}"

    def component(key):
        one = packages[key]
        # `/` is how licenses were joined before Cargo took expressions of SPDX.
        expression = (one["license"] or "").replace("/", " OR ")
        found = {
            "type": "library",
            "bom-ref": reference(key),
            "name": one["name"],
            "version": one["version"],
            "purl": reference(key),
            **({"licenses": [{"expression": expression}]} if expression else {}),
        }
        checksum = checksums.get((one["name"], one["version"]))
        return found | ({"hashes": [{"alg": "SHA-256", "content": checksum}]} if checksum else {})

    program = next(key for key in reached if packages[key]["name"] == NAME)
    carried = [reference(key) for key in reached if packages[key]["name"] in ROOTS[1:]]
    main = component(program) | {"type": "application"}
    main["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(release["program"]).hexdigest()}]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": main,
        },
        "components": sorted((component(key) for key in reached if key != program), key=lambda one: one["bom-ref"]),
        "dependencies": sorted(
            (
                {
                    "ref": reference(key),
                    "dependsOn": sorted({reference(one) for one in needs[key]} | set(carried if key == program else ())),
                }
                for key in reached
            ),
            key=lambda one: one["ref"],
        ),
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"
    return f"{NAME}-{release['version']}.cdx.json", (json.dumps(document, indent=2) + "\n").encode()


def image(release, pack):
    """Returns the container image as an OCI layout: the program and certificates, for a user who is not root."""
    name = f"{NAME}-{release['version']}-linux-amd64.oci.tar"
    path = release["scratch"] / name
    run(pack, "image", NAME, release["path"], path)
    return name, path.read_bytes()


def packages(release, pack, url, time):
    """Yields the files of the release: names and contents."""
    yield (found := archive(release, time))
    yield wheel(release, time)
    yield from npm(release, time)
    yield image(release, pack)
    yield materials(release, time)
    if url:
        yield formula(release, url, *found)
    else:
        print("note: no Homebrew formula: --url names the folder on the web in which the archive will be", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--binary", type=Path, required=True, help="the program")
    parser.add_argument("--pack", type=Path, required=True, help="the program `pack` of deployer-packing")
    parser.add_argument("--out", type=Path, default=ROOT / "target/packages", help="folder for the files, which is emptied")
    parser.add_argument("--url", help="folder on the web in which the archive will be, for the formula")
    options = parser.parse_args()
    for path in (options.binary, options.pack):
        if not path.is_file():
            raise SystemExit(f"error: there is no file {path}")
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]
    own = tomllib.loads((ROOT / "deployer/cli/Cargo.toml").read_text(encoding="utf-8"))["package"]
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        if old.is_file():
            old.unlink()
    scratch = out / "scratch"
    scratch.mkdir(exist_ok=True)
    release = {
        "path": options.binary.resolve(),
        "program": options.binary.read_bytes(),
        "version": manifest["version"],
        "license": manifest["license"],
        "description": own["description"],
        "scratch": scratch,
    }
    sums = {}
    for name, content in packages(release, options.pack.resolve(), options.url, epoch()):
        (out / name).write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
        print(f"{len(content):>12,}  {name}")
    (out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
    for path in sorted(scratch.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    scratch.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main())
