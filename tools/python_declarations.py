#!/usr/bin/env python3
# python_declarations.py: what the public headers declare, in the form that Python's cffi reads.
#
# usage: python_declarations.py OUTPUT COMPILER...
#
# OUTPUT becomes a Python module with DECLARATIONS, the text for ffi.cdef(), and CONSTANTS. The text
# is what the compiler's own preprocessor makes of the headers, so that sizes of arrays, lists by
# X(…) and enums are those of C; the names of constants come from headers.py. Made at each build, it
# cannot differ from the headers.
# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
import sys

from headers import load
from source import OWN

LEFT_OUT = ("sim",)  # of another library
MARKER = re.compile(r'# \d+ "([^"]*)"')
MARK = "quorate_constant_"


def preprocessed(compiler, headers, names):
    """(lines of our headers, lines of the constants), macros expanded."""
    text = "".join(f'#include "quorate/{header.name}.h"\n' for header in headers)
    text += '# 1 "constants"\n' + "".join(f"{MARK}{name} = {name};\n" for name in names)
    done = subprocess.run([*compiler, "-E", "-I", str(OWN / "include"), "-x", "c", "-"],
                          input=text, capture_output=True, text=True, check=True)
    ours, constants, keep = [], [], None
    for line in done.stdout.split("\n"):
        marker = MARKER.match(line)
        if marker:
            keep = ours if "include/quorate/" in marker[1] else \
                constants if marker[1] == "constants" else None
        elif keep is not None and not line.startswith("#"):
            keep.append(line)
    return "\n".join(ours), "\n".join(constants)


def without_bodies(text):
    """Inline functions are in no library."""
    out, at = "", 0
    for match in re.finditer(r"static inline [^;{]*\{", text):
        if match.start() < at:
            continue
        depth, end = 1, match.end()
        while depth > 0:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        out += text[at:match.start()]
        at = end
    return out + text[at:]


def declarations(text):
    text = without_bodies(text)
    text = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", "", text)
    text = re.sub(r"\s*\b_Bool\b\s*", " _Bool ", text)
    return re.sub(r"\n\s*\n+", "\n", text).strip() + "\n"


def value_of(expression):
    """The number, or text, that a constant's expression stands for; None: it is neither."""
    expression = expression.strip()
    if re.fullmatch(r'"[^"\\]*"', expression):
        return expression[1:-1]
    plain = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", expression)
    plain = re.sub(r"\(\s*u?int\d+_t\s*\)", "", plain)
    if not re.fullmatch(r"[0-9a-fA-FxX\s()+\-*/<>|&~]+", plain):
        return None
    return eval(plain, {"__builtins__": {}})  # digits and operators alone


def constants(text):
    found = {}
    for name, expression in re.findall(MARK + r"(\w+) = ([^;]*);", text):
        value = value_of(expression)
        if value is not None:
            found[name] = value
    return found


def main():
    output, *compiler = sys.argv[1:]
    headers = [header for header in load() if header.name not in LEFT_OUT]
    names = [item.name for header in headers for item in header.named("macro")
             if not item.parameters]
    ours, told = preprocessed(compiler, headers, names)
    with open(output, "w", encoding="utf-8") as file:
        file.write('"""Made of include/quorate by tools/python_declarations.py."""\n'
                   f'DECLARATIONS = """\n{declarations(ours)}"""\n'
                   f"CONSTANTS = {constants(told)!r}\n")


if __name__ == "__main__":
    main()
