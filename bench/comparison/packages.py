# Fetches the peers' Debian packages and unpacks them below build/peers. Nothing of them is installed, so nothing of them
# can be started by anybody but the comparison: no service, no user, no file outside of that folder.
import os
import subprocess

PACKAGES = ["nginx", "haproxy", "varnish", "trafficserver"]


class Peers:
    """Programs below build/peers/root, and the environment that lets them find their libraries."""

    def __init__(self, folder):
        self.folder = folder
        self.root = os.path.join(folder, "root")

    def program(self, path):
        return os.path.join(self.root, path)

    def environment(self):
        folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib/trafficserver"]
        library_path = ":".join(os.path.join(self.root, folder) for folder in folders)
        return {**os.environ, "LD_LIBRARY_PATH": library_path, "LC_ALL": "C"}

    def versions(self):
        with open(os.path.join(self.folder, "versions"), encoding="utf-8") as file:
            return dict(line.split() for line in file)


def _missing_dependencies():
    """What apt would install beside the peers: the libraries that this machine has not."""
    simulated = subprocess.run(
        ["apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES],
        check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return [line.split()[1] for line in simulated.stdout.splitlines() if line.startswith("Inst ")]


def _download_and_unpack(folder):
    packages = sorted({*PACKAGES, "nginx-common", *_missing_dependencies()})
    downloads = os.path.join(folder, "downloads")
    root = os.path.join(folder, "root")
    os.makedirs(downloads, exist_ok=True)
    os.makedirs(root, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", *packages], check=True, cwd=downloads)
    versions = {}
    for name in sorted(os.listdir(downloads)):
        package, version = name.split("_")[:2]
        versions[package] = version.replace("%3a", ":")
        subprocess.run(["dpkg-deb", "--extract", os.path.join(downloads, name), root], check=True)
    with open(os.path.join(folder, "versions"), "w", encoding="utf-8") as file:
        file.writelines(f"{package} {versions[package]}\n" for package in PACKAGES)


def unpack(folder):
    """The peers below `folder`, fetched once."""
    if not os.path.exists(os.path.join(folder, "versions")):
        _download_and_unpack(folder)
    return Peers(folder)
