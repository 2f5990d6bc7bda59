#!/usr/bin/env python3
# test_tools.py: each check of tools/ finds what it is for, and nothing else; prints TAP.
#
# A case makes a small tree of files that differs from a clean one in one thing, runs the check
# on it, and compares what the check says.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys
import tempfile
import traceback

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def c_file(name, body):
    return f"/* {name}: a file of the test. */\n{SPDX}{body}"


CLEAN = {
    "src/base/a.h": c_file("a.h", "int a(void);\n"),
    "src/base/a.c": c_file("a.c", '#include "base/a.h"\n\nint a(void)\n{\n    return 1;\n}\n'),
    "src/base/meson.build": "base_sources = files('a.c')\n",
    "src/raft/raft.h": c_file("raft.h", ""),
    "src/raft/internal.h": c_file("internal.h", ""),
    "src/node/node.h": c_file("node.h", '#include "raft/raft.h"\n'),
    "src/kv/kv.h": c_file("kv.h", '#include "quorate/types.h"\n'),
    "src/runtime/runtime.h": c_file("runtime.h", "#include <time.h>\n"),
    "include/quorate/types.h": c_file("types.h", "#include <stdint.h>\n"),
    "Makefile": "all: ## build\n",
    "README.md": "[house](docs/house.md), `make all`\n",
    "docs/house.md": "a house\n",
}


def become(script, arguments, folder):
    """End as the script does, which begins as if by itself: but the interpreter is there already."""
    sys.argv = [str(script), *arguments]
    sys.path[0] = str(script.parent)
    if folder is not None:
        os.chdir(folder)
    status = 0
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:  # as the interpreter does
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_python(script, arguments, folder):
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            become(script, arguments, folder)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


def run(tool, *arguments, folder=None):
    if tool.endswith(".py"):
        return run_python(TOOLS / tool, arguments, folder)
    command = [str(TOOLS / tool), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def run_on(tool, changes):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**CLEAN, **changes}.items():
            file = pathlib.Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return run(tool, root)


def body(text):
    """A change: src/base/a.c with `text` within its function."""
    return {"src/base/a.c": c_file("a.c", f"int a(void)\n{{\n{text}\n}}\n")}


def header(path, text):
    return {path: c_file(pathlib.Path(path).name, text)}


def known(tests):
    """A change: a list of known bugs with one rule, and a unit test and a scenario."""
    case = "static void it_holds(void **state)\n{\n}\n"
    return {
        "docs/known-bugs.md": f"| rule | protected by |\n|---|---|\n| It holds. | {tests} |\n",
        "test/unit/meson.build": "unit_tests = [\n  'a',\n]\n",
        "test/unit/test_a.c": c_file("test_a.c", f"{case}/* unused(it_sleeps) */\nx(it_holds);\n"
                                     + case.replace("it_holds", "it_sleeps")),
        "test/unit/test_b.c": c_file("test_b.c", f"{case}x(it_holds);\n"),
        "test/scenario/meson.build": "scenarios = [\n  'c',\n]\n",
        "test/scenario/data/c.txt": "",
        "test/scenario/data/d.txt": "",
    }


def simulator(settings=("| `nodes` | 1..7 | nodes |",), checkers=("no_leaks", "hang"),
              events=("start",), options=("--seed",)):
    """A change: a simulator with one of each thing, and its page."""
    rows = "\n".join(f"| `{name}` | x |" for name in checkers)
    shown = "\n".join(f"| `{name}` | x |" for name in events)
    return {
        "include/quorate/sim.h": c_file("sim.h", "#define QR_SIM_NODES_MAX 7\n"),
        "sim/plan.h": c_file("plan.h", '#define SIM_SETTING_MAP(X) \\\n'
                             '    X(nodes, 1, QR_SIM_NODES_MAX, "nodes")\n'),
        "sim/trace.h": c_file("trace.h", '#define SIM_TRACE_MAP(X) X(START, "start") /* (a) */\n'),
        "sim/a.c": c_file("a.c", 'void a(void)\n{\n    sim_violate(b(c, "d"), "no_leaks", "e, %s", f);\n}\n'),
        "src/cli/sim_process.c": c_file("sim_process.c", 'text_string(&checker, "hang");\n'),
        "src/cli/sim_options.c": c_file("sim_options.c", "X('s', \"seed\", \"N\")\n"),
        "docs/simulator.md": "\n".join([*settings, "", " ".join(options), "", "## Checkers", "", rows,
                                        "", "## Read a trace", "", shown, ""]),
    }


def pages(text="", row="| `a-ms` | 5 | 1..4096 |", declared="",
          index="- [House](house.md): a\n- [Tuning](tuning.md)\n"):
    """A change: a page with C in it, one limit with its page, and the order of both."""
    return {
        "include/quorate/engine.h": c_file("engine.h", "#define QR_LIMIT_MAP(X) \\\n"
                                           '    X(a_ms, 5, 1, UINT64_C(1) << 12, "milliseconds")\n'),
        "docs/tuning.md": f"| limit | default | bounds |\n|---|---|---|\n{row}\n",
        "docs/house.md": f"a house\n\n{text}\n{declared}\n",
        "docs/index.md": index,
    }


# tool, name of the case, what differs from the clean tree, what the check must say (None: nothing)
CASES = [
    ("check_includes.py", "a clean tree passes", {}, None),
    ("check_includes.py", "a room includes no room above it",
     header("src/raft/raft.h", '#include "node/node.h"\n'), "src/raft/raft.h:3: raft may include"),
    ("check_includes.py", "kv knows nothing of raft",
     header("src/kv/kv.h", '#include "raft/raft.h"\n'), "src/kv/kv.h:3: kv may include"),
    ("check_includes.py", "a private header stays in its folder",
     header("src/node/node.h", '#include "raft/internal.h"\n'), "src/node/node.h:3: a private header"),
    ("check_includes.py", "a private header is open to its own folder",
     header("src/raft/raft.h", '#include "raft/internal.h"\n'), None),
    ("check_includes.py", "a pure folder includes no system header",
     header("src/raft/raft.h", "#include <stdio.h>\n"), "src/raft/raft.h:3: raft is pure"),
    ("check_includes.py", "a public header includes no private one",
     header("include/quorate/types.h", '#include "base/a.h"\n'), "types.h:3: a public header"),
    ("check_includes.py", "a header must exist",
     header("src/raft/raft.h", '#include "base/b.h"\n'), "src/raft/raft.h:3: there is no such header"),
    ("check_includes.py", "a path is written from src",
     header("src/raft/raft.h", '#include "internal.h"\n'), "src/raft/raft.h:3: write the path"),
    ("check_includes.py", "an include in a comment is none",
     header("src/raft/raft.h", '/*\n#include "node/node.h"\n*/\n'), None),
    ("check_includes.py", "an adapter of a release includes its packed headers, private ones too",
     header("sim/past/0.1.0/build.c", '#include "node/internal.h"\n#include "node/gone.h"\n'), None),
    ("check_includes.py", "an adapter of a release includes nothing of the simulator",
     header("sim/past/0.1.0/build.c", '#include "sim/world.h"\n'),
     "build.c:3: an adapter of a release may include only"),
    ("check_includes.py", "an adapter of a release stays in its folder",
     header("sim/a.h", '#include "sim/past/0.1.0/build_disk.h"\n'), "sim/a.h:3: an adapter of a"),
    ("check_includes.py", "the simulator knows no inside of a node",
     header("sim/a.h", '#include "node/node.h"\n'), "sim/a.h:3: sim may include"),
    ("check_includes.py", "but for the one file that drives it",
     header("sim/build.c", '#include "node/node.h"\n'), None),
    ("check_includes.py", "what the files of a run share stays in the simulator",
     {**header("sim/internal.h", ""), **header("test/a.c", '#include "sim/internal.h"\n')},
     "test/a.c:3: a private header"),
    ("check_includes.py", "the simulator's library knows no one subject",
     {**header("sim/linear/b.h", ""), **header("sim/a.c", '#include "sim/linear/b.h"\n')},
     "sim/a.c:3: libquorate-sim knows"),
    ("check_includes.py", "the simulator reads no clock",
     header("sim/a.h", "#include <time.h>\n"), "sim/a.h:3: sim includes of libc only"),
    ("check_includes.py", "an example knows the public headers alone",
     header("examples/a.c", '#include "base/a.h"\n'), "a.c:3: examples may include only quorate/*.h"),
    ("check_includes.py", "a new folder needs a row",
     header("src/attic/x.h", ""), "src/attic has no row"),
    ("check_style.py", "a clean tree passes", {}, None),
    ("check_style.py", "a banned call", body("    strcpy(b, c);"), "a.c:5: strcpy is banned"),
    ("check_style.py", "a banned call with a blank", body("    atoi (b);"), "a.c:5: atoi is banned"),
    ("check_style.py", "a longer name is not banned", body("    my_strcpy(b);"), None),
    ("check_style.py", "a member of that name is not banned", body("    b->rand();"), None),
    ("check_style.py", "a ban does not see comments", body("    /* strcpy(b, c) */"), None),
    ("check_style.py", "a ban does not see strings", body('    b("strcpy( // TODO \\" rand(");'), None),
    ("check_style.py", "a clock outside the runtime", body("    time(0);"), "a.c:5: time: only src/runtime"),
    ("check_style.py", "a clock within the runtime",
     header("src/runtime/runtime.h", "#define NOW() time(0)\n"), None),
    ("check_style.py", "a // comment", body("    ; // b"), "a.c:5: write /* */, not //"),
    ("check_style.py", "a // in a string is none", body('    b("http://c");'), None),
    ("check_style.py", "a TODO without a number", body("    /* TODO: b */"), "a.c:5: TODO without"),
    ("check_style.py", "a TODO with a number", body("    /* TODO(#12): b */"), None),
    ("check_style.py", "a typedef'd struct",
     header("src/raft/raft.h", "typedef struct a b;\n"), "raft.h:3: write struct x"),
    ("check_style.py", "no file head", {"src/raft/raft.h": SPDX}, "raft.h:1: begin with a head comment"),
    ("check_style.py", "a file head of another file",
     {"src/raft/raft.h": c_file("other.h", "")}, "raft.h:1: the head comment names other.h"),
    ("check_style.py", "no licence line",
     {"src/raft/raft.h": "/* raft.h: x. */\nint b;\n"}, "write /* SPDX"),
    ("check_style.py", "a file of 501 lines",
     header("src/raft/raft.h", "int b;\n" * 499), "raft.h:501: 501 lines"),
    ("check_style.py", "a file of 500 lines", header("src/raft/raft.h", "int b;\n" * 498), None),
    ("check_style.py", "an example of 150 lines", header("examples/lock.c", "int b;\n" * 148),
     "lock.c:150: 150 lines; an example has less than 150"),
    ("check_style.py", "an example of 149 lines",
     {**header("examples/lock.c", "int b;\n" * 147), "examples/meson.build": "'lock.c'\n"}, None),
    ("check_style.py", "a function of 71 lines",
     body("\n".join(["    ;"] * 68)), "a.c:3: a function of 71 lines"),
    ("check_style.py", "a function of 70 lines", body("\n".join(["    ;"] * 67)), None),
    ("check_style.py", "a line of 101 columns", body("    " + "b" * 97), "a.c:5: 101 columns"),
    ("check_style.py", "a line of 100 columns", body("    " + "b" * 96), None),
    ("check_style.py", "a blank at the end of a line", body("    b; "), "a.c:5: blanks at the end"),
    ("check_style.py", "a tab", body("\tb;"), "a.c:5: a tab"),
    ("check_style.py", "no line feed at the end",
     {"src/raft/raft.h": c_file("raft.h", "int b;")}, "end the file with one line feed"),
    ("check_style.py", "a public prototype without a docstring",
     header("include/quorate/types.h", "\nint b(int c,\n      int d);\n"), "types.h:4: a public proto"),
    ("check_style.py", "a public prototype with a docstring, and one in its group",
     header("include/quorate/types.h", "/* B. */\nint b(int c);\nint d(void);\n"), None),
    ("check_style.py", "a pointer to a function in a struct is no prototype",
     header("include/quorate/types.h", "\nstruct b {\n    int (*c)(void);\n};\n"), None),
    ("check_style.py", "a public prototype behind an inline function",
     header("include/quorate/types.h", "\nstatic inline int b(void)\n{\n    return 1;\n}\n\nint c(void);\n"),
     "types.h:9: a public proto"),
    ("check_style.py", "a file that nothing builds",
     {"src/base/b.c": c_file("b.c", "")}, "src/base/b.c:1: no meson.build names"),
    ("check_known_bugs.py", "a case and a scenario that are run",
     known("`test_a.c: it_holds` `c.txt`"), None),
    ("check_known_bugs.py", "a rule without a test", known(" "), "known-bugs.md:3: a rule without"),
    ("check_known_bugs.py", "no case of that name",
     known("`test_a.c: it_flies`"), "known-bugs.md:3: test_a.c has no case it_flies"),
    ("check_known_bugs.py", "a case that the program does not list",
     known("`test_a.c: it_sleeps`"), "test_a.c has no case it_sleeps"),
    ("check_known_bugs.py", "a program that is not built",
     known("`test_b.c: it_holds`"), "no such unit test: test_b.c"),
    ("check_known_bugs.py", "a scenario that is not there", known("`e.txt`"), "no such scenario: e.txt"),
    ("check_known_bugs.py", "a scenario that is not run", known("`d.txt`"), "no such scenario: d.txt"),
    ("check_known_bugs.py", "a name that is neither", known("`x`"), "neither a case nor a scenario: x"),
    ("check_known_bugs.py", "a list without rules",
     {"docs/known-bugs.md": "nothing\n"}, "known-bugs.md:1: no rules"),
    ("check_simulator.py", "a page that says what is", simulator(), None),
    ("check_simulator.py", "a setting with other bounds",
     simulator(settings=["| `nodes` | 1..8 | nodes |"]), "simulator.md:1: nodes is 1..7 nodes"),
    ("check_simulator.py", "a setting with another meaning",
     simulator(settings=["| `nodes` | 1..7 | knots |"]), "simulator.md:1: nodes is 1..7 nodes"),
    ("check_simulator.py", "a setting that is missing", simulator(settings=[]), "setting nodes is missing"),
    ("check_simulator.py", "a setting that there is not",
     simulator(settings=["| `nodes` | 1..7 | nodes |", "| `knots` | 1..7 | knots |"]),
     "simulator.md:2: there is no setting knots"),
    ("check_simulator.py", "a checker that is missing",
     simulator(checkers=["hang"]), "checker no_leaks is missing"),
    ("check_simulator.py", "a checker of the program that is missing",
     simulator(checkers=["no_leaks"]), "checker hang is missing"),
    ("check_simulator.py", "a checker that there is not",
     simulator(checkers=["no_leaks", "hang", "no_bugs"]), "there is no checker no_bugs"),
    ("check_simulator.py", "a checker whose name cannot be read",
     {**simulator(), "sim/b.c": c_file("b.c", "sim_violate(sim, name, text);\n")},
     "sim/b.c:3: what checker is this? name"),
    ("check_simulator.py", "an event that is missing", simulator(events=[]), "event start is missing"),
    ("check_simulator.py", "an option that is missing", simulator(options=[]), "option seed is missing"),
    ("check_simulator.py", "an option that there is not",
     simulator(options=["--seed", "--luck"]), "simulator.md:3: there is no option luck"),
    ("check_symbols.sh", "a clean tree passes", {}, None),
    ("check_symbols.sh", "a call of libc",
     body("    int puts(const char *);\n    return puts(\"b\");"), "not pure: puts, needed by src/base/a.c"),
    ("check_symbols.sh", "a global that changes",
     body("    static int b;\n    return b++;"), "a.c: mutable global: b"),
    ("check_symbols.sh", "a table of constants is no global that changes",
     body('    static const char *const b[] = {"c", "d"};\n    return b[a() & 1][0];'), None),
    ("check_symbols.sh", "the simulator may allocate",
     header("sim/a.c", "#include <stdlib.h>\nvoid *c(void)\n{\n    return malloc(1);\n}\n"), None),
    ("check_symbols.sh", "the simulator opens no file",
     header("sim/a.c", "#include <stdio.h>\nvoid *c(void)\n{\n    return fopen(\"b\", \"r\");\n}\n"),
     "not simulated: fopen, needed by sim/a.c"),
    ("check_symbols.sh", "the simulator has no global that changes",
     header("sim/a.c", "int c(void)\n{\n    static int b;\n    return b++;\n}\n"),
     "sim/a.c: mutable global: b"),
    ("check_symbols.sh", "a file that does not compile", body("    return b;"), "undeclared"),
    ("check_docs.sh", "a clean tree passes", {}, None),
    ("check_docs.sh", "a link to nowhere", {"docs/house.md": "[x](nowhere.md)\n"}, "no such file: nowhere.md"),
    ("check_docs.sh", "a link is relative to its document", {"docs/house.md": "[x](../README.md#a)\n"}, None),
    ("check_docs.sh", "a link to elsewhere is not followed", {"README.md": "[x](https://x.org)\n"}, None),
    ("check_docs.sh", "a command that does not exist",
     {"README.md": "```\nmake b\n```\n"}, "no such target: make b"),
    ("check_docs.sh", "a sentence is no command", {"README.md": "they make sense\n"}, None),
    ("check_pages.py", "pieces of a program, behind what the page declares",
     pages("```c\nstatic int d(int e)\n{\n    return e + c;\n}\n```\n\n```c\nd(b);\n```\n",
           declared="<!-- for the check\nstatic int b, c;\n-->"), None),
    ("check_pages.py", "a piece that does not compile", pages("x\n\n```c\nb(c);\n```\n"),
     "docs/house.md:6:3: error: 'c' undeclared"),
    ("check_pages.py", "a program that does not compile",
     pages("```c\n#include <stdio.h>\nint main(void)\n{\n    return b;\n}\n```\n"),
     "docs/house.md:7:12: error: 'b' undeclared"),
    ("check_pages.py", "a limit that has another default", pages(row="| `a-ms` | 6 | 1..4096 |"),
     "docs/tuning.md:3: a-ms has other numbers"),
    ("check_pages.py", "a limit that is not told of", pages(row=""),
     "docs/tuning.md:1: does not tell of a-ms"),
    ("check_pages.py", "a limit that there is not", pages(row="| `a-ms` | 5 | 1..4096 |\n| `b` | 1 | 1..2 |"),
     "docs/tuning.md:4: no limit, or named twice: b"),
    ("check_pages.py", "a page that is not in the order", pages(index="- [House](house.md): a\n"),
     "docs/index.md:1: does not name docs/tuning.md"),
    ("check_pages.py", "a page that is in the order twice",
     pages(index="- [House](house.md)\n- [House](house.md)\n- [Tuning](tuning.md)\n"),
     "docs/index.md:1: names house.md twice"),
]

RUN = "[ RUN      ] b\n"
OK = "[       OK ] b\n"

# name, programs of the run with result and output, meson's status, expected last line and status
SUMMARIES = [
    ("cases of cmocka are counted", [("OK", RUN + OK + RUN + OK)], 0, "2 passed, 0 failed", 0),
    ("a failed case of cmocka", [("FAIL", RUN + OK + RUN)], 1, "1 passed, 1 failed", 1),
    ("a skipped case of cmocka", [("OK", RUN + OK + RUN + "[  SKIPPED ] b\n")], 0, "1 passed, 0 failed", 0),
    ("a crash behind the last case", [("FAIL", RUN + OK)], 1, "1 passed, 1 failed", 1),
    ("lines of TAP are counted", [("FAIL", "1..3\nok 1 b\nnot ok 2 c\nok 3 # SKIP d\n")], 1,
     "1 passed, 1 failed", 1),
    ("a program without cases counts as one", [("OK", "fine\n"), ("OK", "")], 0, "2 passed, 0 failed", 0),
    ("a timeout is a failure", [("TIMEOUT", "")], 1, "0 passed, 1 failed", 1),
    ("a run without tests fails", [], 0, "0 passed, 0 failed", 1),
    ("a build that failed is a failure", [], 1, "0 passed, 1 failed", 1),
]


FINE = '{"failed_seed": null, "seeds_run": 1000}'
CAUGHT = '{"failed_seed": 7, "seeds_run": 7, "checker": "elections", "failure": "two"}'

# name, what the simulator prints without and with the one mutant, arguments, what must be said,
# last line
MUTANTS = [
    ("a mutant that is caught", FINE, CAUGHT, [], "elections", "2 passed, 0 failed"),
    ("a mutant that is not caught", FINE, FINE, [], "failed: m: not caught", "1 passed, 1 failed"),
    ("what fails without a mutant proves nothing", CAUGHT, CAUGHT, [],
     "failed: (none): fails without", "1 passed, 1 failed"),
    ("a simulator that does not report catches nothing", FINE, "usage", [],
     "failed: m: exit code 0, no report: usage", "1 passed, 1 failed"),
    ("a name that no mutant has", FINE, CAUGHT, ["n"], "there is no mutant n",
     "mutants.sh: there is no mutant n; there are: m"),
]


def check_mutants(without, with_one, arguments, said, last_line):
    with tempfile.TemporaryDirectory() as root:
        program = pathlib.Path(root, "build/mutants/quorate")
        program.parent.mkdir(parents=True)
        program.write_text(f"""#!/bin/sh
case "$*" in
*--list-mutants*) echo 'm   does wrong (a rule)' ;;
*--mutant*) echo '{with_one}' ;;
*) echo '{without}' ;;
esac
""", encoding="utf-8")
        program.chmod(0o755)
        swim = pathlib.Path(root, "build/mutants/sim/swim/quorate_swim")
        swim.parent.mkdir(parents=True)
        swim.write_text("#!/bin/sh\n", encoding="utf-8")
        swim.chmod(0o755)
        code, output = run("mutants.py", *arguments, folder=root)
    is_good = last_line.endswith(" 0 failed")
    is_right = output.splitlines()[-1:] == [last_line] and said in output and (code == 0) == is_good
    return is_right, output


def check_summary(programs, status, last_line, expected_status):
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(f"{root}/meson-logs")
        with open(f"{root}/meson-logs/testlog.json", "w", encoding="utf-8") as log:
            for result, stdout in programs:
                log.write(json.dumps({"name": "x", "result": result, "stdout": stdout}) + "\n")
        code, output = run("test_summary.py", root, str(status))
    is_right = output.splitlines()[-1:] == [last_line] and code == expected_status
    return is_right, output


def check_case(tool, changes, expected):
    code, output = run_on(tool, changes)
    if expected is None:
        return code == 0, output
    return code == 1 and expected in output, output


def main():
    results = []
    has_compilers = all(shutil.which(name) for name in ("gcc", "clang-14"))
    for tool, name, changes, expected in CASES:
        if tool == "check_symbols.sh" and not has_compilers:
            results.append((True, f"{tool}: {name} # SKIP needs gcc and clang-14", ""))
            continue
        is_right, output = check_case(tool, changes, expected)
        results.append((is_right, f"{tool}: {name}", output))
    for name, programs, status, last_line, expected_status in SUMMARIES:
        is_right, output = check_summary(programs, status, last_line, expected_status)
        results.append((is_right, f"test_summary.py: {name}", output))
    for name, *case in MUTANTS:
        is_right, output = check_mutants(*case)
        results.append((is_right, f"mutants.py: {name}", output))
    print(f"1..{len(results)}")
    for number, (is_right, name, output) in enumerate(results, 1):
        print(f"{'ok' if is_right else 'not ok'} {number} {name}")
        if not is_right:
            print("\n".join(f"# {line}" for line in output.splitlines()))
    sys.exit(0 if all(is_right for is_right, _, _ in results) else 1)


main()
