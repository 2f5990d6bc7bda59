#!/usr/bin/env python3
"""run_installed.py: compiles the examples against what `meson install` installs, as a stranger
to this tree does: by pkg-config alone.

usage: run_installed.py BUILD-FOLDER EXAMPLES-FOLDER COMPILER...

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import subprocess
import sys
import tempfile

# the example, its package, how it is run, and the code it must end with
EXAMPLES = [
    ("counter", "quorate", [], 2),
    ("sim_counter", "quorate-sim", ["1", "3"], 0),
]


def install(build, root):
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": root}, stdout=subprocess.DEVNULL)
    return next(pathlib.Path(root).rglob("quorate-sim.pc")).parent


def flags_of(package, folder, root):
    places = {**os.environ, "PKG_CONFIG_PATH": str(folder), "PKG_CONFIG_SYSROOT_DIR": root}
    done = subprocess.run(["pkg-config", "--cflags", "--libs", "--static", package], env=places,
                          check=True, capture_output=True, text=True)
    return done.stdout.split()


def complaint(root, folder, compiler, source, package, arguments, code):
    """What is wrong, or None."""
    program = root + "/" + source.stem
    flags = flags_of(package, folder, root)
    made = subprocess.run([*compiler, "-std=c11", "-o", program, str(source), *flags],
                          capture_output=True, text=True)
    if made.returncode != 0:
        return made.stderr
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    return None if done.returncode == code else "code %d, %r" % (done.returncode, done.stderr)


def main():
    build, examples, *compiler = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="quorate-installed-") as root:
        folder = install(build, root)
        for number, (name, package, arguments, code) in enumerate(EXAMPLES, 1):
            source = pathlib.Path(examples, name + ".c")
            wrong = complaint(root, folder, compiler, source, package, arguments, code)
            failed += wrong is not None
            print("%sok %d - %s_is_made_with_%s" % ("not " if wrong else "", number, name,
                                                    package.replace("-", "_")))
            if wrong:
                print("\n".join("# " + line for line in wrong.split("\n")))
    print("1..%d" % len(EXAMPLES))
    return 1 if failed else 0


sys.exit(main())
