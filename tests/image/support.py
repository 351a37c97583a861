"""What the suites of pe-image share: running it, making tars, reading squashfs files back."""
import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
import tempfile

BUILD = os.path.abspath(os.environ.get("PE_BUILD", "build"))
PE_IMAGE = os.path.join(BUILD, "bin", "pe-image")
ALIGN = 2 << 20
MOUNT_POINTS = {"dev": 0o755, "proc": 0o555, "sys": 0o555, "tmp": 0o1777, "work": 0o755, "input": 0o755,
                "output": 0o755}


def run(*arguments, stdin=b"", env=None):
    return subprocess.run([PE_IMAGE, *arguments], input=stdin, capture_output=True, timeout=300, env=env)


def checked(*arguments, stdin=b""):
    """Run a program that must succeed; what it printed."""
    done = subprocess.run(arguments, input=stdin, capture_output=True, timeout=300)
    if done.returncode:
        raise AssertionError(f"{arguments}: status {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def contains(text, wanted):
    if wanted not in text:
        raise AssertionError(f"{wanted!r} is not in {text!r}")


def member(name, content=None, kind=None, target="", mode=0o644, uid=0, gid=0, mtime=1000, pax=None):
    """A tar member: a file when it has content, else of the kind given."""
    info = tarfile.TarInfo(name)
    info.type = kind or (tarfile.REGTYPE if content is not None else tarfile.DIRTYPE)
    info.linkname, info.mode, info.uid, info.gid, info.mtime = target, mode, uid, gid, mtime
    info.size = len(content or b"")
    info.pax_headers = pax or {}
    return info, content


def make_tar(members, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if content is not None else None)
    return out.getvalue()


def imported(work, tar, name="test:1", *arguments):
    """Import, check the entry, give back the path of its rootfs."""
    done = run("import", "--name", name, "--store", f"{work}/store", *arguments, "-", stdin=tar)
    equal(done.returncode, 0, done.stderr.decode())
    listed = json.loads(run("ls", "--json", "--store", f"{work}/store").stdout)
    entry = [image for image in listed if image["name"] == name][0]
    path = f"{work}/store/{entry['digest'][7:]}/rootfs.squashfs"
    content = open(path, "rb").read()
    equal("sha256:" + hashlib.sha256(content).hexdigest(), entry["digest"], "digest")
    equal((len(content) % ALIGN, entry["rootfs_bytes"]), (0, len(content)), "size")
    return path


def refused(work, tar, message, *arguments):
    done = run("import", "--name", "test:1", "--store", f"{work}/store", *arguments, "-", stdin=tar)
    equal(done.returncode != 0, True, "is refused")
    contains(done.stderr, message)
    equal(sorted(os.listdir(f"{work}/store")), [".lock", "names"], "store")
    equal(os.listdir(f"{work}/store/names"), [], "names")


def unpacked(work, rootfs):
    out = tempfile.mkdtemp(dir=work) + "/root"
    subprocess.run(["unsquashfs", "-q", "-n", "-d", out, rootfs], check=True, stdout=subprocess.DEVNULL)
    return out


def listing(root):
    """Everything below a directory: path -> what matters of it."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            content = (os.readlink(path) if stat.S_ISLNK(info.st_mode) else
                       hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(info.st_mode) else None)
            links = info.st_nlink if stat.S_ISREG(info.st_mode) else None
            found[os.path.relpath(path, root)] = (info.st_mode, info.st_uid, info.st_gid, int(info.st_mtime), links,
                                                  content)
    return found


def xattrs(root):
    """Extended attributes of everything below a directory: path -> {name: value}, where there are any."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            values = {key: os.getxattr(path, key, follow_symlinks=False)
                      for key in os.listxattr(path, follow_symlinks=False)}
            if values:
                found[os.path.relpath(path, root)] = values
    return found


# ---- OCI layouts ----

def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Layout:
    """An OCI image layout in a directory, made by hand, so that every part of it can be wrong."""

    def __init__(self, path):
        self.path = path
        os.makedirs(f"{path}/blobs/sha256")
        self.manifests = []
        self.write("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def write(self, name, content):
        with open(f"{self.path}/{name}", "wb") as file:
            file.write(content)

    def blob(self, content, kind):
        digest = sha256(content)
        self.write("blobs/sha256/" + digest[7:], content)
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def add(self, tars, config=None, compress=gzip.compress, kind="gzip", name="latest", arch="amd64", change=None):
        """Add an image of these layers to the index. `change` may spoil the manifest and the configuration."""
        layers = [self.blob(compress(tar), f"application/vnd.oci.image.layer.v1.tar+{kind}") for tar in tars]
        document = {"architecture": arch, "os": "linux", "config": config or {},
                    "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]}}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": layers}
        if change:
            change(manifest, document)
        manifest["config"] = self.blob(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json")
        descriptor = self.blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
        descriptor["platform"] = {"architecture": arch, "os": "linux"}
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": name}
        self.manifests.append(descriptor)
        self.write("index.json", json.dumps({"schemaVersion": 2, "manifests": self.manifests}).encode())
        return self


def taken(work, source, *arguments, name="test:1", command="import"):
    """Take an image in; its catalog entry and the directory it was unpacked to."""
    done = run(command, "--json", "--name", name, "--store", f"{work}/store", "--arch", "amd64", *arguments, source)
    equal(done.returncode, 0, done.stderr.decode())
    entry = json.loads(done.stdout)
    return entry, unpacked(work, f"{work}/store/{entry['digest'][7:]}/rootfs.squashfs")


def compare_with_umoci(work, layout, name, root):
    """The tree at `root` is what umoci makes of the same image, but for what the runtime mounts on."""
    bundle = tempfile.mkdtemp(dir=work) + "/bundle"
    checked("umoci", "unpack", "--image", f"{layout}:{name}", bundle)
    runtime = set(MOUNT_POINTS)
    kept = lambda tree: {path: what for path, what in tree.items() if path.split("/")[0] not in runtime}
    ours, theirs = kept(listing(root)), kept(listing(bundle + "/rootfs"))
    differing = {path: (ours.get(path), theirs.get(path)) for path in set(ours) | set(theirs)
                 if ours.get(path) != theirs.get(path)}
    equal(differing, {}, "what differs from umoci's tree (ours, theirs)")
    equal(kept(xattrs(root)), kept(xattrs(bundle + "/rootfs")), "extended attributes")
    return len(ours)
