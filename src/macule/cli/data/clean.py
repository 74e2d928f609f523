"""`macule data clean`: which pictures of a manifest are no good, why, and a person's word on it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import options, outputs
from macule.cli.data.manifest import counting
from macule.cli.exit import DONE, SOME_FAILED
from macule.errors import UsageError

if TYPE_CHECKING:
    from macule.data.clean import Rules
    from macule.data.manifest import Manifest
    from macule.data.review import Review


def clean(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What `macule data manifest` wrote.")],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The new manifest; the old one stays as it is.")],
    page: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the review there: index.html and review.csv.")
    ] = None,
    accept: Annotated[
        str, typer.Option(metavar="CHECK,...", help="Checks that give no reason: size, glare, ...; quality, damage.")
    ] = "",
    limit: Annotated[
        list[str] | None, typer.Option(metavar="CHECK=VALUE", help="Another limit, as size=128; as often as needed.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option("--bundle", help="A model that tells what is not like the pictures it knows.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Apply a person's keep and drop; looks at no picture.")
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="Pictures of each check on the page.")] = 48,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the counts there.")] = None,
    threads: options.Threads = None,
) -> None:
    """Look at every picture: missing, torn, altered, too small, blurred, dark, no lesion. Nothing is deleted.

    Rows at fault get a reason and are passed over from then on. The status is 1 if a picture is missing, unreadable
    or altered.
    """
    from macule.data import manifest as manifests
    from macule.data.clean import DAMAGE

    outputs.check_all({"--out": out, "--json": json_file}, inputs=(manifest, decisions))
    if decisions is not None:
        if page or accept or limit or bundle:
            raise UsageError("--decisions looks at no picture: leave --page, --accept, --limit and --bundle out.")
        _decide(manifests.read(manifest), decisions, out)
        return
    rules = _rules(accept, limit or [])
    if page is not None:
        _make(page)
        outputs.check_all({"--page": page / "index.html", "--page DIR": page / "review.csv", "--out": out,
                           "--json": json_file}, inputs=(manifest,))
    read = manifests.read(manifest)
    review = _look(read, rules, bundle, samples, threads)
    made = _write(read, review, out, page)
    _print(review, read.rows, made)
    if json_file:
        figures = {"looked": review.looked, "flagged": len(review.flags), "checks": dict(review.counts),
                   "not_here": read.rows - review.looked, "hash": made.hash}
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(SOME_FAILED if DAMAGE & set(review.checks) else DONE)


def _rules(accept: str, limits: list[str]) -> Rules:
    from macule.data.clean import Rules

    found: dict[str, float] = {}
    for text in limits:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise UsageError(f"--limit {text} is not understood; CHECK=NUMBER is expected.") from None
    return Rules.of(limits=found, accept={name.strip() for name in accept.split(",") if name.strip()})


def _make(folder: Path) -> None:
    from macule.cli.sinks import make_folder

    make_folder(folder, "--page")


def _look(manifest: Manifest, rules: Rules, bundle: str | None, samples: int, threads: int | None) -> Review:
    from macule.data import clean as cleaning
    from macule.data.review import Review

    analyzer = None
    if bundle is not None:
        from macule.analysis.bundle import load
        from macule.analysis.pipeline import Analyzer

        analyzer = Analyzer(load(bundle))
    review = Review(samples)
    with counting("looking", manifest.rows) as tick:
        for each in cleaning.look(manifest, rules=rules, analyzer=analyzer, workers=threads, tick=tick):
            review.add(each)
    return review


def _write(manifest: Manifest, review: Review, out: Path, page: Path | None) -> Manifest:
    from macule.data import review as reviews

    made = reviews.flag_rows(manifest, review.flags, out)
    if page is not None:
        from macule.exchange import review as pages

        reviews.write_table(page / pages.TABLE, review.flags)
        pages.write(page, review, name=out.name, digest=made.hash, now=datetime.now(UTC))
    return made


def _decide(manifest: Manifest, path: Path, out: Path) -> None:
    from macule.data import review as reviews

    decisions = reviews.read_table(path)
    made = reviews.decide(manifest, decisions, out)
    kept, dropped = (sum(each.keep is word for each in decisions) for word in (True, False))
    typer.echo(f"{kept} kept, {dropped} dropped, {len(decisions) - kept - dropped} left open. {out}: "
               f"{made.counts().set_aside:,} of {made.rows:,} rows are set aside.")


def _print(review: Review, rows: int, made: Manifest) -> None:
    from macule.cli.table import make_console, print_rows
    from macule.data.clean import KINDS

    console = make_console()
    found = [(check, KINDS[check].words, f"{review.counts[check]:,}", f"{review.counts[check] / review.looked:.2%}")
             for check in review.checks]
    if found:
        print_rows(console, ("check", "reason", "pictures", "share"), found)
    console.print(f"{review.looked:,} pictures were looked at; {len(review.flags):,} rows have a reason now.",
                  markup=False, highlight=False)
    console.print(f"{made.path}\nSHA-256 of the rows {made.hash}", markup=False, highlight=False, soft_wrap=True)
    if absent := rows - review.looked:
        print(f"macule: {absent:,} rows have no picture here and could not be looked at.", file=sys.stderr)
