# SPDX-License-Identifier: Apache-2.0
"""Images that only benchmarks need: made from a recipe when they are missing, and unpacked for programs that
run on the host without a VM.

A recipe is a file in `recipes`, as docs/recipes.md describes. Images stay in the store, and unpacked roots
beside them, until somebody removes the folder."""
import json
import os
import re
import subprocess
import sys

from fixtures.paths import HOME, program

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Images:
    """The images of the recipes in one folder, in a store of their own."""

    def __init__(self, recipes, work):
        self.recipes, self.work = recipes, os.path.join(HOME, work)
        self.store = os.path.join(self.work, "images")

    def make(self, recipe, image):
        """Make `image` from the recipe, unless the store has it. It needs root, and mmdebstrap(1)."""
        entry = os.path.join(self.store, "names", image.replace("/", "+") + ".json")
        if os.path.exists(entry):
            return
        print(f"image {image} is being made", file=sys.stderr, flush=True)
        os.makedirs(self.store, exist_ok=True)
        path = os.path.join(self.recipes, recipe)
        build = [os.path.join(TOP, "image/build"), path, self.store, program("pe-image")]
        subprocess.run(build, check=True, stdout=sys.stderr)

    def squashfs(self, image):
        """The file with the root file system of an image."""
        with open(os.path.join(self.store, "names", image.replace("/", "+") + ".json"), encoding="utf-8") as file:
            digest = json.load(file)["digest"].split(":")[1]
        return os.path.join(self.store, digest, "rootfs.squashfs")

    def environment(self, recipe):
        """The variables that a recipe sets beside the usual ones."""
        with open(os.path.join(self.recipes, recipe), encoding="utf-8") as file:
            settings = "".join(line for line in file if line.startswith("env="))
        return dict(re.findall(r"\b([A-Z0-9]+)=([^\s)]+)", settings))

    def root(self, recipe, image):
        """The folder with the root file system of an image, unpacked when it is missing."""
        root = os.path.join(self.work, "roots", recipe)
        if not os.path.isdir(root):
            part = root + ".part"
            subprocess.run(["rm", "-rf", part], check=True)
            os.makedirs(part)
            export = [program("pe-image"), "export", "--store", self.store, image, "-"]
            with subprocess.Popen(export, stdout=subprocess.PIPE) as source:
                untar = ["tar", "-x", "-C", part, "--numeric-owner"]
                subprocess.run(untar, stdin=source.stdout, check=True)
            assert source.returncode == 0, "pe-image export"
            os.rename(part, root)
        return root
