# SPDX-License-Identifier: Apache-2.0
"""Members of layers in any order: children before their directories, directories that become files,
whiteouts before and after what they are about. Random sequences are compared with a model, and with
umoci. PE_SEED repeats a run."""
import os
import random
import stat
import tarfile
import tempfile

import pytest

from fixtures.oci_layout import OPAQUE, WHITEOUT, Layout, link, symlink
from fixtures.pe_image import MOUNT_POINTS, checked, imported_tree, make_tar, member

# ---- the model ----


class Inode:
    """A directory has entries, a file bytes, and a symbolic link a text."""

    def __init__(self, content, mode=0o755):
        self.content = content
        self.mode = mode

    def is_directory(self):
        return isinstance(self.content, dict)


class Model:
    """A tree to which layers are applied (OCI image-spec layer.md). An entry is an inode, and the
    last layer that named it or something below it."""

    def __init__(self):
        self.root = Inode({})
        self.layer = 0

    def walk(self, path, make=False):
        """The real path of the parents, as a list of directories, and the last name. None when a
        parent is not a directory, or is missing and not made."""
        parts, above, links = path.split("/"), [self.root], 0
        while len(parts) > 1:
            part = parts.pop(0)
            if part == "..":
                above = above[:-1] or [self.root]
                continue
            found = above[-1].content.get(part, (None,))[0]
            if found is None:
                if not make:
                    return None
                found = Inode({})
                above[-1].content[part] = (found, self.layer)
            if isinstance(found.content, str):
                links += 1
                if links > 30:
                    return None
                target = found.content
                above = [self.root] if target.startswith("/") else above
                parts = target.strip("/").split("/") + parts
                continue
            if not found.is_directory():
                return None
            if make:
                above[-1].content[part] = (found, self.layer)
            above.append(found)
        return above, parts[0]

    def find(self, path):
        place = self.walk(path)
        return place and place[0][-1].content.get(place[1], (None,))[0]

    def add(self, path, inode):
        above, name = self.walk(path, make=True)
        entries = above[-1].content
        old = entries.get(name, (None,))[0]
        if old and old.is_directory() and inode.is_directory():
            old.mode = inode.mode
            inode = old
        entries[name] = (inode, self.layer)

    def hide_below(self, directory):
        for name, (inode, layer) in list(directory.content.items()):
            if layer != self.layer:
                del directory.content[name]
            elif inode.is_directory():
                self.hide_below(inode)

    def hide(self, path):
        place = self.walk(path)
        inode, layer = place[0][-1].content.get(place[1], (None, 0)) if place else (None, 0)
        if inode and layer != self.layer:
            del place[0][-1].content[place[1]]
        elif inode and inode.is_directory():
            self.hide_below(inode)

    def listing(self):
        """path -> what the tests compare."""
        found, names = {}, {}

        def visit(directory, prefix):
            for name, (inode, _) in directory.content.items():
                names.setdefault(inode, []).append(prefix + name)
                content = None if inode.is_directory() else inode.content
                kind = "directory" if inode.is_directory() else type(content).__name__
                mode = 0o777 if kind == "str" else inode.mode
                found[prefix + name] = (kind, mode, content, inode)
                if inode.is_directory():
                    visit(inode, prefix + name + "/")

        visit(self.root, "")
        return {
            path: (kind, mode, content, len(names[inode]) if kind == "bytes" else None)
            for path, (kind, mode, content, inode) in found.items()
        }


# ---- random layers ----

NAMES = ("a", "b", "c", "d")


def random_path(choose):
    return "t/" + "/".join(choose.choices(NAMES, k=choose.randint(1, 4)))


def random_file(choose, model, path):
    content, mode = b"%d" % choose.randrange(1000), choose.choice([0o600, 0o644, 0o755])
    model.add(path, Inode(content, mode))
    return member(path, content, mode=mode)


def random_directory(choose, model, path):
    mode = choose.choice([0o700, 0o755, 0o711])
    model.add(path, Inode({}, mode))
    return member(path, mode=mode)


def random_symlink(choose, model, path):
    target = choose.choice(["b", "../a", "/t/c", "c/d", "nowhere"])
    model.add(path, Inode(target))
    return symlink(path, target)


def random_link(choose, model, path):
    target = random_path(choose)
    inode = model.find(target)
    if not inode or not isinstance(inode.content, bytes) or inode is model.find(path):
        return None
    if target.startswith(path + "/"):
        return None  # umoci removes the target before it makes the link
    model.add(path, inode)
    return link(path, target)


def random_whiteout(choose, model, path):
    model.hide(path)
    folder, name = path.rsplit("/", 1)
    return member(f"{folder}/{WHITEOUT}{name}", b"")


def random_opaque(choose, model, path):
    directory = model.find(path)
    if not directory or not directory.is_directory():
        return None
    model.hide_below(directory)
    return member(f"{path}/{OPAQUE}", b"")


def random_layer(choose, model, makers):
    members = []
    for _ in range(choose.randint(1, 14)):
        path, make = random_path(choose), choose.choice(makers)
        place = model.walk(path)
        parent = model.find(path.rsplit("/", 1)[0])
        whiteout = make in (random_whiteout, random_opaque)
        if place is None and (whiteout or not can_make(model, path)):
            continue
        if parent is not None and not parent.is_directory() and isinstance(parent.content, bytes):
            continue
        made = make(choose, model, path)
        members += [made] if made else []
    return members


def can_make(model, path):
    """True if no parent of a path is a file, or leads to one or to nothing."""
    parts = path.split("/")
    for size in range(1, len(parts)):
        inode = model.find("/".join(parts[:size]))
        if inode is None:
            return True
        if not inode.is_directory():
            return False
    return True


def random_layers(seed, makers):
    choose, model, tars = random.Random(seed), Model(), []
    for model.layer in range(choose.randint(2, 5)):
        members = [member("t", mode=0o755)] if model.layer == 0 else []
        if members:
            model.add("t", Inode({}))
        members += random_layer(choose, model, makers)
        tars.append(make_tar(members))
    return tars, model


# ---- comparing ----


def listing(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            mode, short = stat.S_IMODE(info.st_mode), os.path.relpath(path, root)
            if stat.S_ISLNK(info.st_mode):
                found[short] = ("str", mode, os.readlink(path), None)
            elif stat.S_ISDIR(info.st_mode):
                found[short] = ("directory", mode, None, None)
            else:
                found[short] = ("bytes", mode, open(path, "rb").read(), info.st_nlink)
    return {path: what for path, what in found.items() if path.split("/")[0] not in MOUNT_POINTS}


def differences(ours, theirs):
    paths = {path for path in {*ours, *theirs} if ours.get(path) != theirs.get(path)}
    return {path: (ours.get(path), theirs.get(path)) for path in sorted(paths)}


FILES = [random_file, random_directory, random_link, random_whiteout, random_opaque]
ALL = [*FILES, random_file, random_directory, random_symlink]


def seeds(count):
    first = int(os.environ.get("PE_SEED", random.randrange(1 << 32)))
    return range(first, first + count)


def describe(tars):
    lines = []
    for tar in tars:
        with tempfile.TemporaryFile() as file:
            file.write(tar)
            file.seek(0)
            names = [
                f"{one.name}{'/' if one.isdir() else ''}"
                + (f" -> {one.linkname}" if one.linkname else "")
                for one in tarfile.open(fileobj=file)
            ]
        lines.append("   ".join(names))
    return "\n".join(lines)


@pytest.mark.parametrize("makers", [FILES, ALL], ids=["files", "links"])
def test_random_layers_give_what_a_model_gives(tmp_path, makers):
    for seed in seeds(15):
        folder = f"{tmp_path}/{seed}"
        tars, model = random_layers(seed, makers)
        layout = Layout(f"{folder}/layout").add(tars)
        _, root = imported_tree(folder, layout.path)
        found = differences(listing(root), model.listing())
        assert found == {}, f"seed {seed}: (ours, model)\n{describe(tars)}"


def test_random_layers_give_what_umoci_gives(tmp_path):
    os.umask(0o022)  # umoci makes missing parents with it
    for seed in seeds(10):
        folder = f"{tmp_path}/{seed}"
        tars, _ = random_layers(seed, FILES)
        layout = Layout(f"{folder}/layout").add(tars)
        _, root = imported_tree(folder, layout.path)
        checked("umoci", "unpack", "--image", f"{layout.path}:latest", f"{folder}/bundle")
        found = differences(listing(root), listing(f"{folder}/bundle/rootfs"))
        assert found == {}, f"seed {seed}: (ours, umoci)\n{describe(tars)}"
