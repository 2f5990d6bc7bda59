#!/usr/bin/env python3
# check_package.py: the Debian packages in a clean root, as somebody new to Quorate finds them.
#
# usage: check_package.py         after `make deb`
#        check_package.py root    only make the root, which takes a minute where it is not there yet
#
# Makes a root with nothing but a C compiler and what the packages depend on (build/clean-root, kept
# and used again), and lays a file system of memory over it. There, without a network but a loopback
# of its own: installs the packages; compiles the counter of the guide and the checks of stores in an
# empty folder, as their pages say; runs three counters, each killed in turn while others count;
# starts the packaged node as its unit says and asks it as a Redis client; purges the packages, and
# looks for what they left.
#
# It must be root, for the file systems and the network: else nothing is tried, and that is said. The
# last line is `N passed, N failed`.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from source import OWN

sys.path.insert(0, str(OWN / "test/cluster"))
import resp  # noqa: E402  (the client of the cluster tests)

DEBS = OWN / "build/deb"
BASE = OWN / "build/clean-root"
GUIDE = OWN / "docs/embedding.md"
PARTS = OWN / "docs/replaceable-parts.md"
OURS = ("quorate", "libquorate0", "libquorate-dev")
# What somebody has who wants to compile something, and makes users without all of systemd.
TOOLS = ("gcc", "libc6-dev", "pkg-config", "systemd-standalone-sysusers")
FOLDER = "/home/new"
USER = 1000
ADDS = 30        # acknowledged before and behind each kill
LIMIT_S = 60.0
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/",
               "DEBIAN_FRONTEND": "noninteractive"}
# Of apt, dpkg and the linker, which are not ours to tidy up.
NOISE = re.compile(r"/(proc|dev|sys|tmp|home|var/(cache|log|lib/(apt|dpkg))|etc/ld\.so\.cache)(/|$)"
                   r"|/etc/(passwd|group|g?shadow|subuid|subgid)-$|/etc/\.pwd\.lock$")


class Failed(Exception):
    """A rule was broken; the text says which, and what was found instead."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def run(*command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    check(done.returncode == 0, f"{shlex.join(map(str, command))}: {done.returncode}\n"
          f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def wait_for(condition, what):
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = condition()
        if found:
            return found
        check(time.monotonic() < deadline, f"waited {LIMIT_S:.0f} s in vain until {what}")
        time.sleep(0.02)


# The root


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wanted_packages():
    """TOOLS, and what ours depend on, the first of alternatives, unless a tool is another."""
    names = set(TOOLS)
    for deb in DEBS.glob("*.deb"):
        for group in run("dpkg-deb", "-f", deb, "Depends").strip().split(", "):
            others = [re.sub(r"[ :(].*", "", one) for one in group.split(" | ")]
            if not set(others) & {*TOOLS, *OURS}:
                names.add(others[0])
    return sorted(names)


def sources():
    """What this machine's apt reads, for Debian's own release."""
    release = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    codename = re.search(r"^VERSION_CODENAME=(\w+)", release, re.M)[1]
    folder = pathlib.Path("/etc/apt")
    files = [folder / "sources.list", *folder.glob("sources.list.d/*.list"),
             *folder.glob("sources.list.d/*.sources")]
    return codename, [str(file) for file in files
                      if file.exists() and codename in file.read_text(encoding="utf-8")]


def base_root():
    """The folder of a root with wanted_packages(); made once for each set of them, by one process
    at a time: another waits."""
    BASE.parent.mkdir(parents=True, exist_ok=True)
    with open(BASE.parent / "clean-root.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return base_root_locked()


def base_root_locked():
    names = wanted_packages()
    codename, files = sources()
    key = hashlib.sha256("\n".join([codename, *names]).encode()).hexdigest()[:16]
    base = BASE / key
    if (base / "etc/debian_version").exists():
        return base
    run("rm", "-rf", "--one-file-system", BASE)  # fails where something is mounted
    BASE.mkdir(parents=True)
    options = BASE / "apt.conf"
    options.write_text("".join(line + "\n" for line in run("apt-config", "dump").split("\n")
                               if line.startswith("Acquire::")), encoding="utf-8")
    begun = BASE / "begun"
    # What it starts and mounts is gone with it, however it ends, and it with us.
    run("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
        "mmdebstrap", "--variant=apt", f"--include={','.join(names)}", f"--aptopt={options}",
        "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/info/*", codename, str(begun), *files,
        preexec_fn=die_with_parent)
    begun.rename(base)
    return base


def mount(*arguments):
    return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, flags + bytes(22))  # SIOCSIFFLAGS


def root_over(base, folder):
    """A root that may be written to, in memory; it is gone with this process's namespace."""
    check(mount("-t", "tmpfs", "-o", "size=1500m", "tmpfs", folder), "there is no tmpfs to be had")
    root = pathlib.Path(folder, "root")
    for name in ("root", "upper", "work"):
        os.mkdir(f"{folder}/{name}")
    options = f"lowerdir={base},upperdir={folder}/upper,workdir={folder}/work"
    if not mount("-t", "overlay", "-o", options, "overlay", root):
        root.rmdir()
        run("cp", "-a", base, root)
    check(mount("-t", "proc", "proc", root / "proc"), "/proc cannot be mounted")
    for name in ("null", "zero", "urandom", "random"):
        device = root / "dev" / name
        device.touch()
        check(mount("--bind", f"/dev/{name}", device), f"/dev/{name} cannot be bound")
    shutil.copytree(DEBS, root / "tmp/debs", ignore=shutil.ignore_patterns("*.log", "*.change*"))
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    return root


def paths(root):
    found = set()
    for folder, folders, files in os.walk(root):
        inside = folder[len(str(root)):] or "/"
        folders[:] = [name for name in folders if not NOISE.match(os.path.join(inside, name))]
        found |= {os.path.join(inside, name) for name in [*folders, *files]}
    return {path for path in found if not NOISE.match(path)}


class Root:
    """The root, and what is run in it."""

    def __init__(self, path):
        self.path = path
        self.before = paths(path)
        self.started = []

    def run(self, *command):
        return run("chroot", self.path, *command, env=ENVIRONMENT)

    def start(self, user, folder, command, **more):
        """A process of its own, killed at the end at the latest."""
        inside = f"cd {shlex.quote(folder)} && exec {shlex.join(command)}"
        process = subprocess.Popen(["chroot", f"--userspec={user}", self.path, "sh", "-c", inside],
                                   preexec_fn=die_with_parent, **{"env": ENVIRONMENT, **more})
        self.started.append(process)
        return process

    def stop_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()


# The counter of the guide: its text, the line that compiles it, and those that start it


def guide():
    """(the program, how it is compiled, how each node is started)"""
    text = GUIDE.read_text(encoding="utf-8")
    program = re.search(r"^```c\n(.*?)^```$", text, re.M | re.S)
    compiled_by = re.search(r"^    (cc counter\.c .*)$", text, re.M)
    started_by = re.findall(r"^    (\./counter .*)$", text, re.M)
    check(program and compiled_by and len(started_by) == 3,
          f"{GUIDE.name} does not show a program, a line that compiles it, and three that start it")
    return program[1], compiled_by[1], [shlex.split(line) for line in started_by]


class Counter:
    """One node of the counter: a line in, the count out."""

    def __init__(self, root, command):
        self.root = root
        self.command = command
        self.name = command[1]
        self.process = None

    def start(self):
        self.process = self.root.start(f"{USER}:{USER}", FOLDER, self.command,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, line):
        """Returns how many lines there were, or None: whether it was counted is not known."""
        if self.process.poll() is not None:
            self.start()
        try:
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
            return self.answer()
        except BrokenPipeError:
            return None

    def answer(self):
        if not select.select([self.process.stdout], [], [], LIMIT_S)[0]:
            raise Failed(f"node {self.name} gives no answer")
        line = self.process.stdout.readline().decode()
        match = re.fullmatch(r"(\d+)\n", line)  # else what went wrong is in it
        return int(match[1]) if match else None


class Tally:
    """Counts lines: what was not acknowledged is sent again as it is, and counts once."""

    def __init__(self):
        self.acknowledged = 0

    def line(self):
        """The next one."""
        return f"line {self.acknowledged + 1}"

    def add(self, node):
        got = node.ask(self.line())
        if got is None:
            return False
        self.acknowledged += 1
        check(got == self.acknowledged, f"{got} were counted, and {self.acknowledged} is right")
        return True

    def add_many(self, nodes):
        target = self.acknowledged + ADDS
        turn = 0
        deadline = time.monotonic() + LIMIT_S
        while self.acknowledged < target:
            if not self.add(nodes[turn % len(nodes)]):
                time.sleep(0.05)
            turn += 1
            check(time.monotonic() < deadline, f"only {self.acknowledged} of {target} were counted")


def compiled(root):
    """An empty folder, the guide's counter, and the compiler with what pkg-config says"""
    program, line, _ = guide()
    home = root.path / FOLDER[1:]
    home.mkdir(parents=True)
    (home / "counter.c").write_text(program, encoding="utf-8")
    os.chown(home, USER, USER)
    process = root.start(f"{USER}:{USER}", FOLDER, ["sh", "-c", line], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    told, _ = process.communicate(timeout=LIMIT_S)
    check(process.returncode == 0 and told == "", f"the compiler says:\n{told}")


def tried(root):
    """The checks of stores, compiled by the lines of their page, find the stores in memory right"""
    lines = re.search(r"^    (checks=.*)\n    (cc .*)\n    (\./\S+)$", PARTS.read_text("utf-8"), re.M)
    check(lines, f"{PARTS.name} does not show how the checks of stores are compiled")
    process = root.start(f"{USER}:{USER}", FOLDER, ["sh", "-c", "\n".join(lines.groups())],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    told, _ = process.communicate(timeout=LIMIT_S)
    check(process.returncode == 0 and told.count("keeps to the rules") == 2, f"they say:\n{told}")


def voters(root, node):
    """How many there are by the log of a node that runs: a copy of its folder is looked into."""
    copy = root.path / "tmp/copy"
    shutil.rmtree(copy, ignore_errors=True)
    with contextlib.suppress(shutil.Error):  # a file that was renamed meanwhile
        shutil.copytree(root.path / FOLDER[1:] / node.name, copy)
    found = subprocess.run(["chroot", root.path, "quorate", "doctor", "--json", "/tmp/copy"],
                           env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True)
    if found.returncode != 0:
        return 0
    members = json.loads(found.stdout)["directories"][0].get("committed", {}).get("members", [])
    return sum(member["voter"] for member in members)


def counted(root):
    """Three counters, each killed by SIGKILL in turn, lose nothing that was acknowledged"""
    nodes = [Counter(root, command) for command in guide()[2]]
    tally = Tally()
    for node in nodes:  # one behind the other: each joins those before it
        node.start()
        wait_for(lambda: tally.add(node), f"node {node.name} counts")
    # The first alone would be no majority to be without.
    wait_for(lambda: voters(root, nodes[0]) == len(nodes), "all three vote")
    for victim in nodes:
        others = [node for node in nodes if node is not victim]
        tally.add_many(nodes)
        # Asked, and killed before it can have answered for sure.
        victim.process.stdin.write(f"{tally.line()}\n".encode())
        victim.process.stdin.flush()
        victim.kill()
        tally.add_many(others)
        victim.start()
        wait_for(lambda: tally.add(victim), f"node {victim.name} counts again")
    for node in nodes:
        node.kill()
    for node in nodes:
        node.start()
    for node in nodes:
        wait_for(lambda: tally.add(node), f"node {node.name} counts behind the end of all")
    for node in nodes:
        node.kill()


# The packaged node


def unit_command(root):
    unit = (root.path / "usr/lib/systemd/system/quorate.service").read_text(encoding="utf-8")
    return shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.M)[1])


@contextlib.contextmanager
def served(root):
    """The node as its unit starts it; stopped as systemd stops it, and in good order."""
    path = root.path / "run/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        # Names of sockets are short: by the folder, wherever it is.
        here = os.open(path.parent, os.O_PATH)
        manager.bind(f"/proc/self/fd/{here}/notify")
        os.close(here)
        path.chmod(0o666)
        manager.settimeout(LIMIT_S)
        with open(root.path / "tmp/node.log", "ab") as log:
            process = root.start("quorate:quorate", "/var/lib/quorate", unit_command(root),
                                 env={**ENVIRONMENT, "NOTIFY_SOCKET": "/run/notify"}, stderr=log)
        told = ""
        try:
            while "READY=1" not in told.split("\n"):
                told += manager.recv(4096).decode() + "\n"
        except TimeoutError:
            log = (root.path / "tmp/node.log").read_text(encoding="utf-8")
            raise Failed(f"the node does not become ready: {log[-2000:]}") from None
        yield
        process.send_signal(signal.SIGTERM)
        check(process.wait(LIMIT_S) == 0, f"the node ends with {process.returncode}")
    path.unlink()


def told(client, *arguments):
    """What a node answers, as text, or None where it refuses."""
    try:
        answer = client.call(*arguments)
    except resp.Refused:
        return None
    return answer.decode() if isinstance(answer, bytes) else answer


def asked(root):
    """The node that the unit starts keeps what a Redis client writes, and stops in good order"""
    state = root.path / "var/lib/quorate"
    state.mkdir(mode=0o750, exist_ok=True)  # StateDirectory=
    root.run("chown", "quorate:quorate", "/var/lib/quorate")
    value = os.urandom(8).hex()
    with served(root):
        with resp.Client(7701) as client:
            wait_for(lambda: told(client, "SET", "key", value) == "OK", "the node leads")
    with served(root):
        with resp.Client(7701) as client:
            got = wait_for(lambda: told(client, "GET", "key"), "the node leads again")
            check(got == value, f"the value is {got!r}, wanted {value!r}")
        check("leader" in root.run("quorate", "status"), "quorate status names no leader")


# The packages


def installed(root):
    """The packages install from their files alone"""
    debs = sorted(f"/tmp/debs/{deb.name}" for deb in (root.path / "tmp/debs").glob("*.deb"))
    check(len(debs) >= len(OURS), f"packages are missing: {debs}")
    root.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *debs)
    check(root.run("quorate", "--version").startswith("quorate "), "quorate --version")
    root.run("getent", "passwd", "quorate")
    for page in ("man3/qr_propose.3", "man1/quorate.1", "man1/quorate-serve.1"):
        root.run("test", "-e", f"/usr/share/man/{page}.gz")


def purged(root):
    """A purge leaves nothing but the user"""
    root.run("apt-get", "purge", "-q", "-y", *OURS)
    left = sorted(paths(root.path) - root.before)
    check(not left, f"is left: {left}")
    gone = sorted(root.before - paths(root.path))
    check(not gone, f"is gone, and was there before: {gone}")
    known = root.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n")
    check("quorate" not in known, "dpkg still knows " + known)


class Lint:
    """lintian, which looks at the packages meanwhile."""

    def __init__(self):
        self.process = None
        changes = [str(path) for path in DEBS.glob("*.changes")]
        if shutil.which("lintian") is not None and changes:
            command = ["lintian", "--allow-root", "--fail-on", "error,warning", *changes]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def clean(self, _):
        """lintian finds neither errors nor warnings"""
        check(self.process is not None, "lintian is not here (make deps-package)")
        told, _ = self.process.communicate(timeout=5 * LIMIT_S)
        check(self.process.returncode == 0, told)


CASES = (installed, compiled, tried, counted, asked, purged)


def inside():
    base, folder = pathlib.Path(sys.argv[2]), sys.argv[3]
    loopback_up()
    root = Root(root_over(base, folder))
    failed = 0
    cases = (*CASES, Lint().clean)
    try:
        for case in cases:
            started = time.monotonic()
            try:
                case(root)
                print(f"ok - {case.__doc__} ({time.monotonic() - started:.1f} s)", flush=True)
            except (Failed, OSError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"not ok - {case.__doc__}\n{error}", flush=True)
    finally:
        root.stop_all()
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


def lack():
    """What is missing to try it, or None."""
    if os.geteuid() != 0:
        return "only root can make a clean root"
    for name in ("unshare", "mmdebstrap", "dpkg-deb"):
        if shutil.which(name) is None:
            return f"{name} is not here (make deps-package)"
    if subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"],
                      capture_output=True).returncode != 0:
        return "this system lets nobody have namespaces of their own"
    return None


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "inside":
        return inside()
    missing = lack()
    if missing is not None:
        print(f"package: SKIPPED, NOTHING WAS TRIED: {missing}")
        print("0 passed, 0 failed")
        return 0
    if not list(DEBS.glob("*.deb")):
        print("package: there are no packages in build/deb (make deb)")
        return 1
    started = time.monotonic()
    base = base_root()
    print(f"clean root: {time.monotonic() - started:.1f} s", flush=True)
    if len(sys.argv) > 1 and sys.argv[1] == "root":
        return 0
    with tempfile.TemporaryDirectory(prefix="quorate-clean-") as folder:
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", sys.executable,
                   __file__, "inside", str(base), folder]
        return subprocess.run(command, preexec_fn=die_with_parent).returncode


sys.exit(main())
