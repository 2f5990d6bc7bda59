#!/usr/bin/env python3
"""run_installed.py: makes the examples with what `meson install` installs, as a stranger to this
tree does: by pkg-config alone, by CMake alone, with the shared library and with the archive.

usage: run_installed.py BUILD-FOLDER EXAMPLES-FOLDER COMPILER...

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


class Installed:
    """What is installed under `root`, and what is made with it."""

    def __init__(self, build, examples, compiler, root):
        self.root = root
        self.examples = pathlib.Path(examples)
        self.compiler = compiler
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], check=True,
                       env={**os.environ, "DESTDIR": root}, stdout=subprocess.DEVNULL)
        self.libraries = next(pathlib.Path(root).rglob("libquorate.so")).parent
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}

    def flags(self, package, *more):
        places = {**os.environ, "PKG_CONFIG_PATH": str(self.libraries / "pkgconfig"),
                  "PKG_CONFIG_SYSROOT_DIR": self.root}
        done = run(["pkg-config", "--cflags", "--libs", *more, package], env=places, check=True)
        return done.stdout.split()

    def made(self, name, source, flags):
        """Compile a program; returns what the compiler complains of, or None."""
        done = run([*self.compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o",
                    f"{self.root}/{name}", str(self.examples / source), *flags])
        return done.stderr if done.returncode != 0 else None

    def ran(self, name, arguments, code, is_shared):
        """Run it; returns what is wrong, or None."""
        program = f"{self.root}/{name}"
        done = run([program, *arguments], env=self.environment)
        if done.returncode != code:
            return f"code {done.returncode}, {done.stderr!r}"
        needed = run(["readelf", "-d", program], check=True).stdout
        if ("[libquorate.so.0]" in needed) != is_shared:
            return "it was linked with the wrong one of shared library and archive:\n" + needed
        return None


def shared(installed):
    return installed.made("counter", "counter.c", installed.flags("quorate")) or \
        installed.ran("counter", [], 2, True)


def archive(installed):
    flags = ["-l:libquorate.a" if flag == "-lquorate" else flag
             for flag in installed.flags("quorate", "--static")]
    return installed.made("counter_archive", "counter.c", flags) or \
        installed.ran("counter_archive", [], 2, False)


def simulator(installed):
    return installed.made("sim_counter", "sim_counter.c", installed.flags("quorate-sim")) or \
        installed.ran("sim_counter", ["1", "3"], 0, "qr_error" in
                      (installed.examples / "sim_counter.c").read_text())


def cmake_made(installed, sources, name):
    """Make a CMake project with what is installed. Returns what went wrong, or None."""
    folder = f"{installed.root}/{name}"
    prefix = str(next(pathlib.Path(installed.root).rglob("quorateConfig.cmake")).parent)
    for command in (["cmake", "-S", str(sources), "-B", folder, "-DCMAKE_C_COMPILER=" +
                     installed.compiler[-1], "-Dquorate_DIR=" + prefix],
                    ["cmake", "--build", folder]):
        done = run(command)
        if done.returncode != 0:
            return done.stdout + done.stderr
    return None


def cmake(installed):
    if shutil.which("cmake") is None:
        return "SKIP cmake is not here (make deps-ci)"
    return cmake_made(installed, installed.examples, "made") or \
        installed.ran("made/counter", [], 2, True) or \
        installed.ran("made/counter_static", [], 2, False)


def cmake_store_checks(installed):
    """CMake knows where the checks of stores are."""
    if shutil.which("cmake") is None:
        return "SKIP cmake is not here (make deps-ci)"
    sources = pathlib.Path(installed.root, "try_stores")
    sources.mkdir()
    (sources / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.18)\nproject(try_stores C)\n"
        "find_package(quorate 0.1 REQUIRED)\nset(CMAKE_C_STANDARD 11)\n"
        "file(GLOB sources ${quorate_STORE_CHECK_DIR}/*.c)\n"
        "add_executable(try_stores ${sources})\n"
        "target_link_libraries(try_stores PRIVATE quorate::quorate)\n")
    found = cmake_made(installed, sources, "tried")
    if found is not None:
        return found
    done = run([f"{installed.root}/tried/try_stores"], env=installed.environment)
    return None if done.returncode == 0 else f"code {done.returncode}, {done.stdout!r}"


def newer_version(installed):
    """CMake must not take this library for one that a program needs a later version of."""
    if shutil.which("cmake") is None:
        return "SKIP cmake is not here (make deps-ci)"
    prefix = next(pathlib.Path(installed.root).rglob("quorateConfig.cmake")).parent
    script = pathlib.Path(installed.root, "versions.cmake")
    for wanted, is_taken in (("0.1", True), ("0.1.0", True), ("0.0.9", False), ("0.2", False),
                             ("1.0", False)):
        script.write_text(f'set(PACKAGE_FIND_VERSION "{wanted}")\n'
                          f'include("{prefix}/quorateConfigVersion.cmake")\n'
                          'message("${PACKAGE_VERSION_COMPATIBLE}")\n')
        said = run(["cmake", "-P", str(script)], check=True).stderr.strip()
        if said != ("TRUE" if is_taken else "FALSE"):
            return f"version {wanted} is wanted: {said}"
    return None


def store_checks(installed):
    """They need what is installed alone, find stores right that are, and a fault in one."""
    folder = next(pathlib.Path(installed.root).rglob("store-check"))
    told = run(["pkg-config", "--variable=storecheckdir", "quorate"], check=True, env={
        **os.environ, "PKG_CONFIG_PATH": str(installed.libraries / "pkgconfig")}).stdout.strip()
    if not str(folder).endswith(told):
        return f"pkg-config says {told}, they are in {folder}"
    right = (folder / "memory_stores.c").read_text()
    wrong = pathlib.Path(installed.root, "keeps_the_vote.c")
    wrong.write_text(right.replace("log->hard_state = batch->hard_state;", "", 1))
    sources = [str(folder / name) for name in ("log_store_check.c", "snapshot_store_check.c")]
    for source, code, said in ((folder / "memory_stores.c", 0, "log store: it keeps to the rules"),
                               (wrong, 1, "log store: open: ")):
        found = installed.made("stores", source, [*sources, f"-I{folder}", "-pthread",
                                                  *installed.flags("quorate")])
        if found is not None:
            return found
        done = run([f"{installed.root}/stores"], env=installed.environment)
        if done.returncode != code or said not in done.stdout:
            return f"{source.name}: {done}"
    return None


def manual(installed):
    """`man qr_propose` leads to the page of its header, as `man -l` shows it; commands have theirs."""
    folder = next(pathlib.Path(installed.root).rglob("man3")).parent
    for name in ("qr_engine_open", "qr_propose", "quorate", "quorate_engine"):
        page = folder / "man3" / (name + ".3")
        if not page.exists():
            return f"there is no {page.name}"
    for name in ("quorate", "quorate-serve", "quorate-help"):
        if not (folder / "man1" / (name + ".1")).exists():
            return f"there is no {name}.1"
    if shutil.which("man") is None:
        return "SKIP man is not here"
    found = run(["man", "-M", str(folder), "-w", "3", "qr_propose"])
    if found.returncode != 0:
        return found.stderr
    shown = run(["man", "-l", found.stdout.strip()], env={**os.environ, "MANWIDTH": "80",
                                                          "LC_ALL": "C.UTF-8"})
    wanted = "qr_propose(struct qr_engine *engine"
    return None if wanted in shown.stdout else f"{wanted!r} is not in: {shown.stdout[:2000]}"


CASES = [
    ("counter_is_made_with_the_shared_library", shared),
    ("counter_is_made_with_the_archive", archive),
    ("sim_counter_is_made_with_quorate_sim", simulator),
    ("cmake_finds_shared_library_and_archive", cmake),
    ("checks_of_stores_are_made_with_what_is_installed", store_checks),
    ("man_finds_each_function", manual),
    ("cmake_finds_the_checks_of_stores", cmake_store_checks),
    ("cmake_is_told_which_versions_will_do", newer_version),
]


def main():
    build, examples, *compiler = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="quorate-installed-") as root:
        installed = Installed(build, examples, compiler, root)
        for number, (name, case) in enumerate(CASES, 1):
            wrong = case(installed)
            if wrong is not None and wrong.startswith("SKIP "):
                print(f"ok {number} - {name} # {wrong}")
                continue
            failed += wrong is not None
            print("%sok %d - %s" % ("not " if wrong else "", number, name))
            if wrong:
                print("\n".join("# " + line for line in wrong.split("\n")))
    print("1..%d" % len(CASES))
    return 1 if failed else 0


sys.exit(main())
