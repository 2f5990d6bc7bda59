#!/usr/bin/env python3
# abi.py: what a program that was linked with libquorate relies on: recorded, compared, explained.
#
# usage: abi.py check BUILD CC...    compare BUILD's libraries with the headers and the record (TAP)
#        abi.py renew BUILD CC...    write the record anew: `make abi`
#        abi.py release BUILD CC...  keep it as that of the release just made
#
# The record, packaging/abi/libquorate.abi, holds every exported name with its version, the size of
# each public struct and where its fields lie, as a compiled program says, and the values of enums
# and macros. A change of any of them is a change of that file in the same commit, for a reviewer to
# see. packaging/abi/released.abi, once there is one, is the record of the last release: what breaks
# programs that were linked with it needs another soversion.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import subprocess
import sys
import tempfile

from source import OWN

import headers

RECORD = OWN / "packaging/abi/libquorate.abi"
RELEASED = OWN / "packaging/abi/released.abi"
HEAD = """\
# libquorate.abi: what programs that were linked with libquorate rely on; written by `make abi`.
# What a change of it means: CONTRIBUTING.md, "Public interface".
# SPDX-License-Identifier: Apache-2.0
"""
SIM = "sim"  # the header of libquorate-sim, which is static alone


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# What the libraries let out


def dynamic_names(library):
    """Names in the dynamic table with their versions."""
    names = {}
    for line in output("nm", "-D", "--defined-only", "--with-symbol-versions", library).split("\n"):
        fields = line.split()
        if len(fields) == 3 and fields[1] != "A":
            name, _, version = fields[2].partition("@")
            names[name] = version.lstrip("@")
    return names


def archive_names(archive):
    found = output("nm", "--defined-only", "-g", archive)
    return {line.split()[2] for line in found.split("\n") if len(line.split()) == 3}


def soname(library):
    return re.search(r"SONAME.*\[(.*)\]", output("readelf", "-d", library))[1]


def functions(known, is_sim):
    return {item.name: item for header in known if (header.name == SIM) == is_sim
            for item in header.named("function") if not item.is_inline}


def difference(found, declared, what):
    """Complaints about names that are in one alone."""
    told = [f"{what} lets out {name}, which no public header declares" for name in
            sorted(found - declared)]
    told += [f"{what} lacks {name}, which a public header declares" for name in
             sorted(declared - found)]
    return told


# The record


def type_of(parameter):
    """A parameter without its name."""
    if "(" in parameter or parameter in ("void", "..."):
        return parameter
    match = re.match(r"(.*?[\s*])(\w+)((?:\[.*\])?)$", parameter)
    return (match[1].strip() + match[3]) if match else parameter


def signature(item):
    return f"{item.returns} ({', '.join(type_of(one) for one in item.parameters)})"


def items_of(known):
    """Whatever is declared, by name, wherever it stands."""
    items = [item for header in known for item in header.items if not item.is_opaque]
    return sorted(items, key=lambda item: (item.name, item.kind))


def layouts(known, compiler):
    """Lines for structs and enums and macros with a number, as a compiled program prints them."""
    text = [f'#include "quorate/{header.name}.h"' for header in known]
    text += ["#include <stdio.h>", "#define AT(s, f) (int)offsetof(struct s, f), "
             "(int)sizeof(((struct s *)0)->f)", "int main(void)", "{"]
    for item in items_of(known):
        if item.kind == "struct":
            text.append(f'printf("struct {item.name} %d bytes\\n", '
                        f"(int)sizeof(struct {item.name}));")
            for field in item.fields:
                told = field.text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
                text.append(f'printf("%6d %6d  {told}\\n", AT({item.name}, {field.name}));')
        elif item.kind == "enum":
            text.append(f'printf("enum {item.name} %d bytes\\n", (int)sizeof(enum {item.name}));')
            for value in item.values:
                text.append(f'printf("    {value.name} = %d\\n", (int){value.name});')
        elif item.kind == "macro" and not item.parameters and '"' not in item.value:
            text.append(f'printf("macro {item.name} %llu\\n", (unsigned long long){item.name});')
    text += ["return 0;", "}", ""]
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "layout.c")
        program = str(source.with_suffix(""))
        source.write_text("\n".join(text), encoding="utf-8")
        subprocess.run([*compiler, "-std=c11", "-w", f"-I{OWN}/include", "-o", program,
                        str(source)], check=True)
        return output(program)


def record_of(known, library, compiler):
    lines = [f"soname {soname(library)}", ""]
    versions = dynamic_names(library)
    for item in items_of(known):
        if item.kind == "function":
            version = "inline" if item.is_inline else versions.get(item.name, "static")
            lines += [f"function {item.name} {version}", f"    {signature(item)}"]
        elif item.kind == "callback":
            lines += [f"callback {item.name}", f"    {signature(item)}"]
    return HEAD + "\n".join(lines) + "\n\n" + layouts(known, compiler)


def parts_of(record):
    """The record by what it tells of: "struct qr_id" -> its lines, the first among them."""
    parts = {}
    for line in record.split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            own = parts.setdefault(" ".join(line.split()[:2]), [])
        own.append(line)
    return parts


def is_addition(key, before, after):
    """Whether programs that know only `before` go on working."""
    if before is None:
        return True
    if after is None:
        return False
    if key.startswith("soname"):
        return True
    if before[1:] != after[1 : len(before)]:
        return False
    if key.startswith("struct"):  # one that says how long it is may grow at its end
        return before[1].split()[-1] == "size_bytes"
    if key.startswith("enum"):
        return True
    return before[0] == after[0]


def compare(before, after):
    """(what breaks programs that were linked with `before`, what is only new), as lines."""
    old, new = parts_of(before), parts_of(after)
    broken, added = [], []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        told = [f"{key}:"]
        told += [f"  - {line.strip()}" for line in was or [] if line not in (now or [])]
        told += [f"  + {line.strip()}" for line in now or [] if line not in (was or [])]
        (added if is_addition(key, was, now) else broken).extend(told)
    return broken, added


def judge_record(record):
    if not RECORD.exists():
        return [f"there is no {RECORD.relative_to(OWN)}; `make abi` writes it"]
    broken, added = compare(RECORD.read_text(encoding="utf-8"), record)
    told = []
    if broken:
        told += ["programs that were linked before this change break, unless they are compiled "
                 "anew:", *broken]
    if added:
        told += ["new, and harmless to programs that were linked before:", *added]
    if told:
        told.append("if that is meant: `make abi`, and commit the record with the change")
    return told


def judge_release(record):
    if not RELEASED.exists():
        return []
    before = RELEASED.read_text(encoding="utf-8")
    broken, _ = compare(before, record)
    if not broken or _soname_of(before) != _soname_of(record):
        return []
    return ["programs that were linked with the last release break:", *broken,
            "raise `soversion` in packaging/meson.build, once for this release "
            "(CONTRIBUTING.md, \"Public interface\")"]


def _soname_of(record):
    return re.search(r"^soname (.*)$", record, re.M)[1]


def check(known, folder, compiler):
    library = str(folder / "libquorate.so")
    public, simulated = set(functions(known, False)), set(functions(known, True))
    record = record_of(known, library, compiler)
    cases = [
        ("the_shared_library_lets_out_what_the_headers_declare",
         difference(set(dynamic_names(library)), public, "libquorate.so")),
        ("the_archive_lets_out_what_the_headers_declare",
         difference(archive_names(str(folder / "libquorate.a")), public, "libquorate.a")),
        ("the_simulator_lets_out_what_its_header_declares",
         difference(archive_names(str(folder / "libquorate-sim.a")), simulated,
                    "libquorate-sim.a")),
        ("the_abi_is_as_recorded", judge_record(record)),
        ("what_breaks_the_last_release_has_another_soversion", judge_release(record)),
    ]
    for number, (name, told) in enumerate(cases, 1):
        print(f"{'not ' if told else ''}ok {number} - {name}")
        for line in told:
            print(f"# {line}")
    print(f"1..{len(cases)}")
    return any(told for _, told in cases)


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("check", "renew", "release"):
        sys.exit("usage: abi.py check|renew|release BUILD CC...")
    action, folder, compiler = sys.argv[1], pathlib.Path(sys.argv[2]) / "packaging", sys.argv[3:]
    known = headers.load()
    if action == "check":
        sys.exit(check(known, folder, compiler))
    record = record_of(known, str(folder / "libquorate.so"), compiler)
    target = RECORD if action == "renew" else RELEASED
    target.write_text(record, encoding="utf-8")
    print(f"{target.relative_to(OWN)}: {len(parts_of(record))} names")


main()
