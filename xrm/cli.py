"""The ``xrm`` command: parses arguments, calls the kernel, prints.

Every command works on the site in the current folder (or ``--site FOLDER``). Findings are printed as
``place: message``, or as JSON with ``--json``. Exit codes: 0 done, 1 refused or findings, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from xrm import __version__, cli_changes, cli_doctor, cli_work
from xrm import cli_past as past
from xrm.builtin.transfer.layout import WRITTEN
from xrm.cli_changes import actor_as
from xrm.errors import XrmError
from xrm.kernel.change import SYSTEM
from xrm.kernel.hooks import Command
from xrm.kernel.kernel import BUILTIN
from xrm.kernel.plugins import load_plugins
from xrm.printing import emit, emit_error, progress_line, show_error, show_issues, show_plan
from xrm.settings import Settings, load_settings
from xrm.site import Site, open_site

CLI = past.CLI
_INSTALLED = Path(__file__).parent / "base" / "studio"
MAX_WORKERS = 64
STUDIO = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parent.parent / "studio"  # a wheel, or a checkout
Run = Callable[[Site, argparse.Namespace], Awaitable[int]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        settings = load_settings(_folder(arguments))
        commands = load_plugins(settings.folder, settings.plugins, BUILTIN).collect("commands")
        args = make_parser(commands).parse_args(arguments)
        return _dispatch(args, settings)
    except XrmError as error:
        (emit_error if "--json" in arguments else show_error)(error)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def _folder(arguments: Sequence[str]) -> Path:
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--site", default=os.environ.get("XRM_SITE", "."))
    folder = Path(first.parse_known_args(arguments)[0].site)
    if not folder.is_dir():
        raise XrmError(f"{folder} is not a folder.")
    return folder


def make_parser(commands: Sequence[Command] = ()) -> argparse.ArgumentParser:
    """Return the parser of all commands, the plugins' included."""
    parser = argparse.ArgumentParser("xrm", description="Run and change an xrm site.")
    parser.add_argument("--version", action="version", version=f"xrm {__version__}")
    parser.add_argument(
        "--site", default=".", metavar="FOLDER", help="the site's folder (default: this one, or XRM_SITE)"
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, help, add, run in _COMMANDS:
        sub = actions.add_parser(name, help=help, description=help)
        add(sub)
        sub.set_defaults(run=run, command=name)
    for command in commands:
        sub = actions.add_parser(command.name, help=command.help, description=command.help)
        command.arguments(sub)
        sub.add_argument("--serve", action="store_true", help="serve the site afterwards")
        sub.set_defaults(run=command.run, command=command.name, plugin=True, empty=command.empty)
    return parser


def _dispatch(args: argparse.Namespace, settings: Settings) -> int:
    if args.command == "serve":
        return serve(args, settings)
    if args.command == "new":
        return new(args)
    code = asyncio.run(_with_site(args, settings))
    if code == 0 and getattr(args, "plugin", False) and args.serve:
        return serve(args, settings)
    return code


async def _with_site(args: argparse.Namespace, settings: Settings) -> int:
    async with open_site(settings) as site:
        bare = site.kernel.ready or site.kernel.lacking or getattr(args, "empty", True)
        if not bare:
            await site.kernel.apply(CLI, site.kernel.sources())
        code: int = await args.run(site, args)
        return code


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


# --- the model ------------------------------------------------------------------------------------------------------


async def check(site: Site, args: argparse.Namespace) -> int:
    """Check the definitions."""
    result = site.kernel.review(site.kernel.sources())
    issues = (*site.kernel.plugins.issues, *result.issues)
    if args.json:
        emit({"valid": result.valid, "issues": [i.to_dict() for i in issues]})
    else:
        show_issues(issues)
        print(
            f"{len(result.model.entities)} entities, {len(result.model.roles)} roles: "
            + ("good" if result.valid else "not valid")
        )
    return 0 if result.valid else 1


async def plan(site: Site, args: argparse.Namespace) -> int:
    """Show what applying the definitions would do."""
    made = await site.kernel.plan(site.kernel.sources())
    if args.out:
        args.out.write_text(json.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if args.json:
        emit(made.to_dict())
    elif made.empty:
        print("Nothing to do: the definitions are in force.")
    else:
        show_plan(made)
        sealed = f"--plan {args.out}" if args.out else f"--hash {made.seal}"
        print(f"plan {made.seal}: apply it with `xrm apply {sealed}`")
    return 1 if made.blocking else 0


async def apply(site: Site, args: argparse.Namespace) -> int:
    """Put the definitions in force."""
    seal = _seal_of(args.plan) if args.plan else args.hash
    done = await site.kernel.apply(CLI, site.kernel.sources(), frozenset(args.consent), seal, progress_line(sys.stderr))
    if args.json:
        notices = [issue.to_dict() for issue in done.notices]
        emit({"generation": done.generation.number, "steps": [s.to_dict() for s in done.steps], "issues": notices})
    elif done.changed:
        show_plan(done.plan)
        show_issues(done.notices)
        print(f"generation {done.generation.number} is in force")
    else:
        print("Nothing to do: the definitions are in force.")
    return 0


def _seal_of(file: Path) -> str:
    """Return the seal of a plan that `xrm plan --out` wrote."""
    try:
        written = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise XrmError(f"{file} is not a plan: {error}") from None
    if not isinstance(written, dict) or not isinstance(written.get("hash"), str) or not written["hash"]:
        raise XrmError(f"{file} is not a plan that `xrm plan --out` wrote.")
    return str(written["hash"])


async def explain(site: Site, args: argparse.Namespace) -> int:
    """Say which layer and line set each property of an entity, a field, a view, a role …."""
    from xrm.metadata.explain import explain_json

    rows = explain_json(site.kernel.read_model(site.kernel.sources()), args.name)
    if args.json:
        emit(rows)
        return 0
    for row in rows:
        before = row.get("instead_of")
        instead = f"  instead of {before['value']} ({before['layer']}, {before['origin']})" if before else ""
        print(f"{row['property']:<24} {row['value']!s:<40} {row['layer']:<12} {row['origin']}{instead}")
    return 0


async def plugins(site: Site, args: argparse.Namespace) -> int:
    """List the plugins."""
    found = site.kernel.plugins
    if args.json:
        emit(
            {
                "plugins": [{"plugin": m.name, "version": m.version, "title": m.title} for m in found.manifests],
                "issues": [i.to_dict() for i in found.issues],
            }
        )
    else:
        for manifest in found.manifests:
            print(f"{manifest.name:<16} {manifest.version:<8} {manifest.description}")
        show_issues(found.issues)
    return 1 if found.issues else 0


# --- people ---------------------------------------------------------------------------------------------------------


def _user_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="what", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add a user; the password is asked for, or read from XRM_PASSWORD")
    add.add_argument("email")
    add.add_argument("--name", default="", help="as shown (default: the part before the @)")
    add.add_argument("--role", action="append", default=[], dest="roles", help="may be given several times")
    invite = actions.add_parser("invite", help="add a user who chooses a password by a link; it is mailed, or printed")
    invite.add_argument("email")
    invite.add_argument("--name", default="", help="as shown (default: the part before the @)")
    invite.add_argument("--role", action="append", default=[], dest="roles", help="may be given several times")
    link = actions.add_parser("link", help="a link by which a user chooses a new password; it is mailed, or printed")
    link.add_argument("email")
    word = actions.add_parser("password", help="set a user's password; their sessions end")
    word.add_argument("email")
    key = actions.add_parser("key", help="make an API key for a user; it is shown once")
    key.add_argument("email")
    key.add_argument("--title", default="command line")
    actions.add_parser("list", help="list the users").add_argument("--json", action="store_true")


async def user(site: Site, args: argparse.Namespace) -> int:
    """Add users, set passwords, make API keys."""
    records = site.kernel.records.bound(CLI)
    if args.what == "list":
        page = await records.list("user", sort=("email",), limit=1000)
        rows = [{n: r[n] for n in ("email", "name", "roles", "active")} for r in page.records]
        if args.json:
            emit(rows)
        for row in () if args.json else rows:
            inactive = "" if row["active"] else "  (inactive)"
            print(f"{row['email']:<36} {row['name']:<28} {', '.join(row['roles'] or ())}{inactive}")
        return 0
    if args.what in ("add", "invite"):
        secret = _ask_password() if args.what == "add" else ""
        values = {"email": args.email, "name": args.name or args.email.partition("@")[0], "roles": args.roles}
        async with site.kernel.records.act(CLI):
            made = await records.create("user", values)
            if secret:
                await site.accounts.set_password(_uuid(made["id"]), secret)
        if secret:
            print(f"{args.email} can sign in.")
        else:
            await _hand_link(site, _uuid(made["id"]))
        return 0
    found = await records.find("user", f"email == {json.dumps(args.email.lower())}")
    if found is None:
        raise XrmError(f"There is no user {args.email}.")
    if args.what == "password":
        await site.accounts.set_password(_uuid(found["id"]), _ask_password())
        print("The password is set.")
    elif args.what == "link":
        await _hand_link(site, _uuid(found["id"]))
    else:
        secret, _ = await site.accounts.api_keys.create(CLI, _uuid(found["id"]), args.title, None)
        print(secret)
    return 0


async def _hand_link(site: Site, user: Any) -> None:
    handed = await site.accounts.links.hand(CLI, user)
    if handed.problem:
        print(handed.problem, file=sys.stderr)
    print(handed.url or "The link was mailed.")


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


def _ask_password() -> str:
    if given := os.environ.get("XRM_PASSWORD"):
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise XrmError("The two passwords differ.")
    return first


# --- running --------------------------------------------------------------------------------------------------------


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--no-studio", action="store_true", help="leave the studio out")
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1,
        help="processes that answer requests; with more than one, without the studio",
    )
    parser.add_argument("--no-jobs", action="store_true", help="leave jobs to `xrm work`")
    parser.add_argument("--read-only", action="store_true", help="refuse all writes of records in this process")


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_WORKERS):
        raise argparse.ArgumentTypeError(f"it is a number from 1 to {MAX_WORKERS}")
    return int(text)


def serve(args: argparse.Namespace, settings: Settings) -> int:
    """Serve the site over HTTP until Ctrl-C."""
    import dataclasses

    from xrm.server import run

    given = {n: getattr(args, n, None) for n in ("host", "port")}
    settings = dataclasses.replace(settings, **{n: v for n, v in given.items() if v})
    if getattr(args, "read_only", False):
        settings = dataclasses.replace(settings, read_only=True)
    studio = None if getattr(args, "no_studio", False) else STUDIO
    try:
        jobs = 0 if getattr(args, "no_jobs", False) else settings.jobs_at_once
        if (workers := getattr(args, "workers", 1)) > 1:
            from xrm.workers import run as run_several

            return run_several(settings, workers, lambda text: print(text, flush=True), jobs)
        return run(settings, studio, lambda text: print(text, flush=True), jobs)
    except XrmError as error:
        show_error(error)
        return 1


async def shell(site: Site, args: argparse.Namespace) -> int:
    """Open a Python prompt with the site: `records`, `kernel`, `accounts`, `await` works."""
    import code
    import inspect

    loop = asyncio.get_running_loop()
    names = {
        "kernel": site.kernel,
        "records": site.kernel.records.bound(SYSTEM),
        "accounts": site.accounts,
        "site": site,
    }

    class Prompt(code.InteractiveConsole):
        def __init__(self) -> None:
            super().__init__(names)
            self.compile.compiler.flags |= __import__("ast").PyCF_ALLOW_TOP_LEVEL_AWAIT

        def runcode(self, code: Any) -> None:
            function = __import__("types").FunctionType(code, names)
            try:
                result = function()
                if inspect.iscoroutine(result):
                    asyncio.run_coroutine_threadsafe(result, loop).result()
            except SystemExit:
                raise
            except BaseException:  # noqa: BLE001  # a prompt shows whatever was raised and goes on
                self.showtraceback()

    await asyncio.to_thread(Prompt().interact, "xrm shell: records, kernel, accounts; await works.", "")
    return 0


# --- import, export --------------------------------------------------------------------------------------------------


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entity", help="whose records the file holds, or the name of an importer of a plugin")
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--mapping", type=Path, help="mapping file: columns → fields (default: by the names of the columns)"
    )
    parser.add_argument("--key", help="unique field by which a record that is here already is found")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, write nothing")
    parser.add_argument("--errors", type=Path, help="write refused rows with their reasons to this CSV file")
    parser.add_argument("--as", dest="email", help="act as this user (default: the system)")
    _json_option(parser)


async def import_(site: Site, args: argparse.Namespace) -> int:
    """Import records from a file: CSV, XLSX, JSON or vCards."""
    from xrm.builtin.transfer.command import import_file

    return await import_file(site.kernel, await actor_as(site, args.email, "import"), args)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entity")
    parser.add_argument("file", type=Path, nargs="?", help="default: standard output")
    parser.add_argument("--format", choices=("json", *WRITTEN), help="default: as the file is called, else csv")
    parser.add_argument("--filter", default="", help="expression, such as: state == 'open' && amount > 1000")
    parser.add_argument("--fields", default="", help="comma-separated field paths (default: all)")
    parser.add_argument("--as", dest="email", help="act as this user (default: the system)")


async def export(site: Site, args: argparse.Namespace) -> int:
    """Export records to a file: CSV, XLSX, JSON lines, Parquet, vCards or a calendar."""
    from xrm.builtin.transfer.command import export_file

    return await export_file(site.kernel, await actor_as(site, args.email, "export"), args)


# --- a new site ------------------------------------------------------------------------------------------------------

_NEW_SETTINGS = """# Settings of this site; docs/reference/settings.md lists all of them.
title: {title}
database: sqlite:///xrm.db
"""
_NEW_ENTITY = """entity: contact
title: Contact
plural: Contacts
group: Contacts
icon: person
uses: [owned, timeline]
label: "{name|email}"
search: [name, email, phone]
fields:
  name:  {type: text, max: 200}
  email: {type: email}
  phone: {type: phone}
  notes: {type: long_text}
checks:
  - {require: "name != null || email != null", message: A contact needs a name or an e-mail address., field: name}
views:
  list: {columns: [name, email, phone, owner], sort: name}
  form: {sections: [{title: Contact, fields: [name, email, phone, notes, owner]}]}
"""


def new(args: argparse.Namespace) -> int:
    """Create the folder of a new site with a first entity."""
    folder: Path = args.folder
    if folder.exists() and any(folder.iterdir()):
        raise XrmError(f"{folder} is not empty.")
    (folder / "entities").mkdir(parents=True, exist_ok=True)
    (folder / "plugins").mkdir(exist_ok=True)
    title = folder.resolve().name.replace("_", " ").replace("-", " ").title()
    (folder / "xrm.yaml").write_text(_NEW_SETTINGS.format(title=json.dumps(title)), "utf-8")
    (folder / "entities" / "contact.yaml").write_text(_NEW_ENTITY, "utf-8")
    print(f"{folder} is ready. Next: cd {folder}; xrm serve  (it prints the link by which you come in)")
    return 0


# --- the table -------------------------------------------------------------------------------------------------------


def _apply_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--consent", action="append", default=[], metavar="STEP", help="id of a destructive step that may be done"
    )
    sealed = parser.add_mutually_exclusive_group()
    sealed.add_argument("--hash", default="", help="only if the plan is still the one that was shown")
    sealed.add_argument("--plan", type=Path, metavar="FILE", help="only if it is still the plan that this file holds")
    _json_option(parser)


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the plan to this file, for `xrm apply --plan`")
    _json_option(parser)


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", help="deal, deal.amount, deal.views.list, deal.checks.NAME, deal.workflow.states.won, roles.reader …"
    )
    _json_option(parser)


def _new_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    return None


_COMMANDS: tuple[tuple[str, str, Callable[[argparse.ArgumentParser], None], Any], ...] = (
    ("check", "check the definitions", _json_option, check),
    ("plan", "show what applying the definitions would do", _plan_arguments, plan),
    ("apply", "put the definitions in force", _apply_arguments, apply),
    *past.COMMANDS,
    *cli_changes.COMMANDS,
    *cli_doctor.COMMANDS,
    ("explain", "say which layer and line set a property", _explain_arguments, explain),
    ("serve", "serve the site over HTTP", _serve_arguments, serve),
    ("user", "add and invite users, set passwords, make API keys", _user_arguments, user),
    *cli_work.COMMANDS,
    ("import", "import records from a CSV or JSON file", _import_arguments, import_),
    ("export", "export records to a CSV, XLSX, JSON, Parquet, vCard or calendar file", _export_arguments, export),
    ("new", "create a new site", _new_arguments, new),
    ("shell", "open a Python prompt with the site", _no_arguments, shell),
    ("plugins", "list the plugins", _json_option, plugins),
)


if __name__ == "__main__":
    sys.exit(main())
