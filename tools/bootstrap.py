#!/usr/bin/env python3
"""Bring everything a fresh machine lacks, and do nothing when all is there.

Needs Python 3.11 or newer and its standard library, no more. Called by the Makefile as ``bootstrap.py run``
(what the product needs), ``check`` (and the tools) or ``test`` (and a browser). Every step leaves a stamp as its
last act, made from what it was built from: an interrupted step starts again, a finished one costs a file read and
needs no network.

    step        makes                        from
    packages    .venv                        requirements*.lock (hashes are checked), pyproject.toml; by uv, which
                                             is installed there first on a machine that has none
    front end   xrm/web/static/vendor        package-lock.json, FRONT_END below
    browser     nothing when one is found    Playwright's Chromium, the system's, or the system's package
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CACHE = ROOT / ".cache"
VENDOR = ROOT / "xrm" / "web" / "static" / "vendor"

RUN_LOCK = "requirements.lock"
DEV_LOCK = "requirements-dev.lock"
NODE_LOCK = "requirements-node.lock"
UV_LOCK = "requirements-uv.lock"

# npm package → its files the pages use → their place below VENDOR. Licences come along for whoever ships a wheel.
FRONT_END: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bootstrap": {
            "dist/css/bootstrap.min.css": "bootstrap.min.css",
            "LICENSE": "licenses/bootstrap.txt",
        },
        "bootstrap-icons": {
            "font/bootstrap-icons.min.css": "bootstrap-icons.min.css",
            "font/fonts/bootstrap-icons.woff2": "fonts/bootstrap-icons.woff2",
            "LICENSE": "licenses/bootstrap-icons.txt",
        },
        "echarts": {
            "dist/echarts.min.js": "echarts.min.js",
            "LICENSE": "licenses/echarts.txt",
            "NOTICE": "licenses/echarts-notice.txt",
        },
        "htmx.org": {
            "dist/htmx.min.js": "htmx.min.js",
            "LICENSE": "licenses/htmx.txt",
        },
        "sortablejs": {
            "Sortable.min.js": "Sortable.min.js",
            "LICENSE": "licenses/sortablejs.txt",
        },
        "swagger-ui-dist": {
            "swagger-ui.css": "swagger-ui.css",
            "swagger-ui-bundle.js": "swagger-ui-bundle.js",
            "LICENSE": "licenses/swagger-ui.txt",
            "NOTICE": "licenses/swagger-ui-notice.txt",
        },
    }
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main(arguments: Sequence[str]) -> None:
    """Do the steps of the level asked for: ``run``, ``check`` or ``test``."""
    level = arguments[0] if arguments else "run"
    if level not in {"run", "check", "test"}:
        fail(f"There is no level '{level}'; say run, check or test.")
    if sys.version_info < (3, 11):  # noqa: UP036  # whoever calls this may have an older one
        fail(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    packages(RUN_LOCK if level == "run" else DEV_LOCK)
    if level != "check":
        front_end()
    if level == "test":
        browser()


# ------------------------------------------------------------------------------------------------------- packages
def packages(lock: str) -> None:
    """Have a virtual environment with everything in `lock`, and the project itself installed for editing."""
    wanted = digest(ROOT / lock, ROOT / "pyproject.toml", ROOT)
    # What the tools need includes what the product needs, at the same versions.
    covered = (lock,) if lock == RUN_LOCK else (RUN_LOCK, lock)
    if whole() and read(stamp(lock)) == wanted:
        return
    say(f"Installing Python packages ({lock}) …")
    environment()
    unfinished().touch()
    install("--require-hashes", "-r", ROOT / lock)
    install("--no-deps", "--no-build-isolation", "--editable", ROOT)
    for name in covered:
        stamp(name).write_text(digest(ROOT / name, ROOT / "pyproject.toml", ROOT), encoding="utf-8")
    unfinished().unlink()


def stamp(lock: str) -> Path:
    """Return the file that says what was installed from a lock."""
    return VENV / f".{lock}.stamp"


def unfinished() -> Path:
    """Return the file that is there while something is being installed."""
    return VENV / ".unfinished"


def whole() -> bool:
    """Tell whether the environment works and no installation in it was cut off: such a one may lack any file."""
    return python_works() and not unfinished().exists()


def python_works() -> bool:
    """Tell whether the environment's Python is there, starts and is new enough."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", check], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def environment() -> None:
    """Make the virtual environment unless a good one is there."""
    if whole():
        return
    if uv := shutil.which("uv"):
        run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV)
        return
    if run_quietly(sys.executable, "-m", "venv", "--clear", VENV):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        say("This Python lacks venv; asking apt-get for it …")
        if apt_install(f"python{version}-venv") and run_quietly(sys.executable, "-m", "venv", "--clear", VENV):
            return
    fail(
        "This Python cannot make virtual environments (Debian and Ubuntu keep that apart).\n"
        "Install the package python3-venv, or the program uv, and try again."
    )


def install(*arguments: str | Path) -> None:
    """Install into the environment with uv, the machine's or one of its own."""
    run(installer(), "pip", "install", "--quiet", "--python", PYTHON, *arguments)


def installer() -> str | Path:
    """Return uv; pip only fetches it, since that of Python 3.11 refuses locks in which a package has an extra."""
    if uv := shutil.which("uv"):
        return uv
    own = VENV / "bin" / "uv"
    if not run_quietly(own, "--version"):
        if not run_quietly(PYTHON, "-m", "pip", "--version"):
            run(PYTHON, "-m", "ensurepip", "--upgrade")
        quiet = ("--quiet", "--disable-pip-version-check")
        run(PYTHON, "-m", "pip", "install", *quiet, "--require-hashes", "-r", ROOT / UV_LOCK)
    return own


# ------------------------------------------------------------------------------------------------------ front end
def front_end() -> None:
    """Have the front-end files in the folder the pages serve them from."""
    wanted = digest(ROOT / "package-lock.json", str(FRONT_END))
    if read(VENDOR / ".stamp") == wanted:
        return
    say("Fetching front-end files …")
    work = CACHE / "front-end"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, work)
    npm_install(work)
    fresh = work / "vendor"
    copy_files(work / "node_modules", fresh)
    (fresh / ".stamp").write_text(wanted, encoding="utf-8")
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(VENDOR)
    shutil.rmtree(work)


def npm_install(folder: Path) -> None:
    """Install the locked npm packages below `folder`; no package may run a script of its own."""
    command = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", folder)
    npm = shutil.which("npm")
    if npm and run_quietly(npm, *command):
        return
    say("No working npm here: taking the one that comes as a Python package …")
    install("--require-hashes", "-r", ROOT / NODE_LOCK)
    run(VENV / "bin" / "npm", *command)


def copy_files(modules: Path, target: Path) -> None:
    """Copy the files of FRONT_END from `modules` to `target`."""
    for package, files in FRONT_END.items():
        for source, place in files.items():
            found = modules / package / source
            if not found.is_file():
                fail(f"The npm package {package} has no file {source}; see FRONT_END in tools/bootstrap.py.")
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target / place)


# -------------------------------------------------------------------------------------------------------- browser
def browser() -> None:
    """Have a Chromium for the browser tests, or say how to get one."""
    if system_browser() or playwright_browser():
        return
    say("Fetching Chromium for the browser tests …")
    root = os.geteuid() == 0
    with_deps = ("--with-deps",) if root and shutil.which("apt-get") else ()
    if run_quietly(PYTHON, "-m", "playwright", "install", *with_deps, "chromium") and playwright_browser():
        return
    if root and shutil.which("apt-get") and apt_install("chromium") and system_browser():
        return
    fail(
        "The browser tests need Chromium, and none could be had. Any one of these mends it:\n"
        "  .venv/bin/playwright install --with-deps chromium\n"
        "  apt-get install chromium      (as root; other systems: their package of that name)\n"
        "Every other test runs without: .venv/bin/pytest -m 'not browser'"
    )


def system_browser() -> bool:
    """Tell whether a Chromium on PATH starts."""
    return any(starts(Path(found)) for name in BROWSERS if (found := shutil.which(name)))


def playwright_browser() -> bool:
    """Tell whether Playwright's own Chromium is there and starts."""
    ask = "from playwright.sync_api import sync_playwright as p\nwith p() as w: print(w.chromium.executable_path)"
    answer = subprocess.run([PYTHON, "-c", ask], check=False, capture_output=True, text=True)
    path = answer.stdout.strip()
    return bool(path) and Path(path).exists() and starts(Path(path))


def starts(program: Path) -> bool:
    """Tell whether a browser starts: a lacking system library shows here, not in the middle of a test."""
    return run_quietly(program, "--no-sandbox", "--version")


# ---------------------------------------------------------------------------------------------------------- tools
def apt_install(package: str) -> bool:
    """Install a Debian package; only called as root."""
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    steps = (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", package))
    return all(
        subprocess.run(["apt-get", *step], check=False, env=environ, stdin=subprocess.DEVNULL).returncode == 0
        for step in steps
    )


def digest(*parts: Path | str) -> str:
    """Return one hash over the bytes of files, the places of folders and texts."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.read_bytes() if isinstance(part, Path) and part.is_file() else str(part).encode())
        found.update(b"\0")
    return found.hexdigest()


def read(file: Path) -> str:
    """Return the text of a stamp, empty when there is none."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def run_quietly(*command: str | Path) -> bool:
    """Run a program without showing what it says; tell whether it went well."""
    try:
        done = subprocess.run(
            [str(part) for part in command], check=False, capture_output=True, stdin=subprocess.DEVNULL
        )
    except OSError:
        return False
    return done.returncode == 0


def run(*command: str | Path) -> None:
    """Run a program and stop with its exit code when it fails."""
    words = [str(part) for part in command]
    try:
        subprocess.run(words, check=True, cwd=ROOT, stdin=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        fail(f"This failed with exit code {error.returncode}; its words are above:\n  {' '.join(words)}")


def say(text: str) -> None:
    """Tell the person at the terminal what takes time."""
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    """Stop with a message."""
    print(text, file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next run goes on from here.")
