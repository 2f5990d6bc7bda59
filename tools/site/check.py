#!/usr/bin/env python3
# check.py: the site in a real browser: every page, the search, keys alone, a phone, a dark room.
#
# usage: check.py SITE [--links] [--pictures FOLDER]
#
# --links: no browser; only that each link of each page leads somewhere. --pictures: keep what the
# pages look like. The last line is `N passed, N failed`.
# SPDX-License-Identifier: Apache-2.0
import argparse
import functools
import html.parser
import http.server
import pathlib
import sys
import threading
import urllib.parse

from browser import ENTER, TAB, Browser, Failed

DESKTOP, PHONE = (1280, 900), (400, 800)
CONTRAST_MIN = 4.5  # WCAG 2.1, AA, for text
TABS_MAX = 60
# What is searched for, and the pages of which one must be found first.
SEARCHES = [("linearizable", ("reads.html", "api/read.html")),
            ("qr_propose", ("api/proposal.html", "api/engine.html", "embedding.html")),
            ("quorum lost", ("recovery.html",))]
PICTURED = ["index.html", "start.html", "concepts.html", "embedding.html", "tuning.html",
            "wire-format.html", "api/index.html", "api/engine.html", "api/proposal.html",
            "comparison.html", "commands.html"]


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.targets = []
        self.ids = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        for name in ("href", "src"):
            if attributes.get(name):
                self.targets.append(attributes[name])


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def hold(self, is_held, what, detail=""):
        if is_held:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {what}" + (f": {detail}" if detail else ""), flush=True)
        return is_held

    def attempt(self, what, run, *arguments):
        """A check of several steps: an exception is its failure."""
        try:
            run(*arguments)
        except Failed as error:
            self.hold(False, what, str(error))


def check_links(checks, site):
    pages = {path.relative_to(site).as_posix(): Links(path.read_text(encoding="utf-8"))
             for path in sorted(site.rglob("*.html"))}
    for name, page in pages.items():
        broken = []
        for target in page.targets:
            parts = urllib.parse.urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path = (site / name).parent / urllib.parse.unquote(parts.path) if parts.path else site / name
            inside = path.resolve()
            if not inside.is_file() or not inside.is_relative_to(site):
                broken.append(target)
                continue
            other = pages.get(inside.relative_to(site).as_posix())
            anchor = urllib.parse.unquote(parts.fragment)
            if anchor and other is not None and anchor not in other.ids:
                broken.append(target)
        checks.hold(not broken, f"{name}: links lead somewhere", " ".join(broken))


# Of a width that is told, for a phone that shows what is too wide makes its own larger. The theme
# lets the content scroll sideways by itself; that counts as well.
LOOK = """
const wide = [...document.querySelectorAll('body *')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.right > arguments[0] + 1 && getComputedStyle(e).position !== 'fixed';
}).slice(0, 3).map(e => e.tagName + '.' + e.className);
return {
    broken: [...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.src),
    unnamed: [...document.images].filter(i => !i.alt).map(i => i.src),
    heads: document.querySelectorAll('h1').length,
    over: Math.max(document.documentElement.scrollWidth - arguments[0],
                   ...[...document.querySelectorAll('.content')]
                       .map(e => e.scrollWidth - e.clientWidth)),
    wide: wide,
    links: [...document.querySelectorAll('a[href]')].map(a => a.href),
};
"""

CONTRAST = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = text => {
    const [r, g, b] = rgb(text).slice(0, 3).map(v => {
        v /= 255;
        return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = e => {
    for (; e; e = e.parentElement) {
        const color = getComputedStyle(e).backgroundColor;
        if (rgb(color).length < 4 || rgb(color)[3] > 0) { return color; }
    }
    return 'rgb(255, 255, 255)';
};
let worst = [99, ''];
for (const e of document.querySelectorAll(arguments[0])) {
    if (e.textContent.trim() === '') { continue; }
    const pair = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < worst[0]) { worst = [ratio, e.tagName + ' ' + e.textContent.slice(0, 40)]; }
}
return worst;
"""


class Walk:
    """Every page that can be reached from the first one."""

    def __init__(self, checks, browser, base, pictures):
        self.checks = checks
        self.browser = browser
        self.base = base
        self.pictures = pictures

    def picture(self, name):
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.browser.screenshot(self.pictures / f"{name}.png")

    def page(self, name):
        """Look at one; return the links of it that stay within the site."""
        hold = self.checks.hold
        self.browser.size(*DESKTOP)
        self.browser.open(self.base + name)
        seen = self.browser.run(LOOK, DESKTOP[0])
        if name in PICTURED:
            self.picture(name.replace("/", "-").replace(".html", ""))
        hold(not seen["broken"], f"{name}: images load", " ".join(seen["broken"]))
        hold(not seen["unnamed"], f"{name}: images say what they show", " ".join(seen["unnamed"]))
        hold(seen["heads"] == 1, f"{name}: one heading over all", str(seen["heads"]))
        hold(seen["over"] <= 0, f"{name}: fits a desktop", " ".join(seen["wide"]))
        self.browser.size(*PHONE)
        narrow = self.browser.run(LOOK, PHONE[0])
        hold(narrow["over"] <= 0, f"{name}: fits a phone", " ".join(narrow["wide"]))
        if name in PICTURED:
            self.picture(name.replace("/", "-").replace(".html", "") + "-phone")
        self.quiet(name)
        return [link[len(self.base):].partition("#")[0].partition("?")[0] for link in seen["links"]
                if link.startswith(self.base)]

    def quiet(self, name):
        """Nothing on the console, no request that failed or left the machine."""
        asked, failed = self.browser.requests()
        outside = [url for url in asked if not url.startswith((self.base, "data:"))]
        self.checks.hold(not outside, f"{name}: asks for nothing elsewhere", " ".join(outside))
        self.checks.hold(not failed, f"{name}: no request fails", " ".join(failed))
        written = self.browser.console()
        self.checks.hold(not written, f"{name}: a silent console", " ".join(written))

    def all(self, site):
        waiting = ["index.html"]
        met = set(waiting)
        while waiting:
            for link in self.page(waiting.pop(0)):
                if link.endswith(".html") and link not in met:
                    met.add(link)
                    waiting.append(link)
        there = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
        lost = sorted(there - met - {"search.html", "genindex.html"})
        self.checks.hold(not lost, "every page is linked to", " ".join(lost))
        print(f"site: {len(met)} pages", flush=True)


def results(browser):
    return browser.run("return [...document.querySelectorAll('#search-results li a')]"
                       ".filter(a => a.getBoundingClientRect().height > 0).map(a => a.href)")


def search(checks, browser, base, words, wanted):
    """Type, as a reader does, and follow the first result."""
    browser.open(base + "start.html")
    browser.type(".sidebar-search", words + ENTER)
    browser.until(lambda: "search.html" in browser.run("return location.href"), "the search page")
    found = browser.until(lambda: results(browser), f"results for {words}")
    first = found[0][len(base):].partition("#")[0].partition("?")[0]
    checks.hold(first in wanted, f"search: {words} leads to {wanted[0]}", " ".join(found[:3]))
    browser.click("#search-results li a")
    text = browser.until(lambda: "search.html" not in browser.run("return location.pathname")
                         and browser.run("return document.body.innerText"), "the page that was found")
    for word in words.split():
        checks.hold(word in text.lower(), f"search: {words}: the page has {word}")


def keys(checks, browser, base):
    """The search and a link, without a mouse; what has the focus is seen to have it."""
    browser.open(base + "index.html")
    reached = set()
    unseen = []
    for _ in range(TABS_MAX):
        browser.press(TAB)
        at = browser.run(
            "const e = document.activeElement, s = getComputedStyle(e);"
            "return {tag: e.tagName, href: e.getAttribute('href') || '', name: e.className || e.id,"
            " seen: s.outlineStyle !== 'none' || s.boxShadow !== 'none'}")
        reached.add(at["tag"] + at["href"])
        if not at["seen"] and at["tag"] in ("A", "INPUT", "BUTTON"):
            unseen.append(f"{at['tag']} {at['name']}{at['href']}")
        if at["href"] == "concepts.html":
            break
    checks.hold("INPUT" in reached, "keys: the search is reached")
    checks.hold(not unseen, "keys: the focus is seen", " ".join(unseen))
    if checks.hold("Aconcepts.html" in reached, "keys: a page of the contents is reached"):
        browser.press(ENTER)
        browser.until(lambda: browser.run("return location.pathname").endswith("/concepts.html"),
                      "the page whose link had the focus")


def colours(checks, browser, base):
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.open(base + "concepts.html")
        ratio, where = browser.run(CONTRAST, "article p, article a, article td, .sidebar-tree a")
        checks.hold(ratio >= CONTRAST_MIN, f"{scheme}: text can be read", f"{ratio:.1f}: {where}")
        browser.open(base + "api/proposal.html")
        ratio, where = browser.run(CONTRAST, "article p, article pre, article pre span, article code")
        checks.hold(ratio >= CONTRAST_MIN, f"{scheme}: code can be read", f"{ratio:.1f}: {where}")
    browser.scheme("light")
    browser.open(base + "index.html")
    before = browser.run("return getComputedStyle(document.body).backgroundColor")
    for _ in range(3):
        browser.run("document.querySelector('.theme-toggle').click()")
        after = browser.run("return getComputedStyle(document.body).backgroundColor")
        if after != before:
            break
    checks.hold(after != before, "dark: the button changes it", after)


def phone(checks, browser, base):
    """The contents are behind a button, and open."""
    browser.size(*PHONE)
    browser.open(base + "start.html")
    inside = ("const b = document.querySelector('.sidebar-tree').getBoundingClientRect();"
              "return b.left >= 0 && b.width > 0")
    checks.hold(not browser.run(inside), "phone: the contents do not cover the page")
    browser.click("label[for=__navigation].nav-overlay-icon")
    browser.until(lambda: browser.run(inside), "the contents on a phone")
    checks.hold(True, "phone: the contents open")
    browser.size(*DESKTOP)


def from_files(checks, browser, site):
    """Without a server: pages and the search work all the same."""
    browser.open(f"file://{site}/index.html")
    browser.type(".sidebar-search", "linearizable" + ENTER)
    found = browser.until(lambda: results(browser), "results without a server")
    checks.hold(any("reads.html" in link for link in found), "file: the search finds")


def serve(site):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             functools.partial(Handler, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/"


def check_in_browser(checks, site, pictures):
    server, base = serve(site)
    browser = Browser(*DESKTOP)
    try:
        browser.open("about:blank")  # what the browser shows first asks for much of its own
        browser.requests()
        Walk(checks, browser, base, pictures).all(site)
        for words, wanted in SEARCHES:
            checks.attempt(f"search: {words}", search, checks, browser, base, words, wanted)
        for name, check in (("keys", keys), ("colours", colours), ("phone", phone)):
            checks.attempt(name, check, checks, browser, base)
        checks.attempt("file", from_files, checks, browser, site)
    finally:
        browser.close()
        server.shutdown()
        server.server_close()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("site", type=pathlib.Path)
    arguments.add_argument("--links", action="store_true")
    arguments.add_argument("--pictures", type=pathlib.Path)
    given = arguments.parse_args()
    site = given.site.resolve()
    checks = Checks()
    check_links(checks, site)
    if not given.links:
        check_in_browser(checks, site, given.pictures)
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


main()
