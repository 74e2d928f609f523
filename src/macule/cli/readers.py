"""`macule readers`: a reader study beside the model, or an example of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from macule.cli import options, outputs
from macule.cli.progress import bars
from macule.cli.readers_table import print_power, print_study
from macule.errors import UsageError

#: Simulated studies behind each row of a power table.
STUDIES = 400


def readers(
    files: Annotated[list[Path] | None, typer.Argument(
        metavar="FILE...", help="CSVs: reader, picture, diagnosis, confidence, with_ai, seconds, experience.")
    ] = None,
    *,
    truth: Annotated[Path | None, typer.Option(help="CSV: picture, diagnosis; if known lesion, patient.")] = None,
    dataset: Annotated[str | None, typer.Option(help="The truth from a data set: one of `macule data list`.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder that the data set was unzipped in.")] = None,
    bundle: Annotated[str | None, typer.Option(help="Model to judge the data set's pictures that were read.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="CSV of macule predict or evaluate, for --bundle.")] = None,
    scale: Annotated[str, typer.Option(help="Of the confidence: auto, 0-1, 0-100, 1-5 or 1-6.")] = "auto",
    confidence_of: Annotated[str, typer.Option(help="diagnosis (the reader's own) or malignancy.")] = "diagnosis",
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Judge what was fitted on; marked LEAKY.")] = False,
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure to this file.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a page, index.html, and its JSON.")] = None,
    resamples: Annotated[int, typer.Option(min=2, help="Of lesions or patients, for the intervals.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the resamples, or of the example.")] = 0,
    example: Annotated[str | None, typer.Option(help="Simulate a study: 5x500 or 20x100 (readers x pictures).")] = None,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Where --example writes its CSVs.")] = None,
    power: Annotated[bool, typer.Option("--power", help="What difference the --example can find.")] = False,
    threads: options.Threads = None,
) -> None:
    """Compare readers with each other, with the truth and with the model, unaided and aided.

    Readings without and with the model's advice are told apart by the column with_ai. Intervals are 95 %.
    """
    from macule.data import links as pairs
    from macule.evaluation.readers import service

    outputs.check("--json", json_file, inputs=[path for path in (*(files or ()), truth, predictions) if path])
    if report:
        outputs.check_folder("--report", report)
    if example is not None:
        _example(example, to, power=power, seed=seed, json_file=json_file)
        return
    if power or to is not None:
        raise UsageError("--power and --to belong to --example: name a design, 5x500 or 20x100.")
    if not files:
        raise UsageError("no file is given: name the readers' CSVs, or --example 20x100 --to DIR.")
    from macule.analysis import bundle as bundles

    with bars() as start:
        study = service.load(
            files=files, truth=truth, dataset=dataset, root=root, bundle=bundles.load(bundle) if bundle else None,
            answers=predictions, scale=scale, meaning=service.meaning(confidence_of), allow_leak=allow_leak,
            pairs=pairs.read(links), threads=threads, start=lambda count: start("judging", count))
    measured = service.measure(study, resamples=resamples, seed=seed)
    print_study(measured)
    _write(measured, json_file, report)


def _write(measured: Mapping[str, Any], json_file: Path | None, folder: Path | None) -> None:
    from macule.exchange import readers_page

    if json_file:
        json_file.write_text(json.dumps(readers_page.report(measured), indent=2, allow_nan=False) + "\n",
                             encoding="utf-8")
    if folder:
        readers_page.write(measured, folder, now=datetime.now(UTC))
        typer.echo(f"The report: {folder / readers_page.PAGE}")


def _example(name: str, to: Path | None, *, power: bool, seed: int, json_file: Path | None) -> None:
    from macule.examples import reader_study

    if name not in reader_study.DESIGNS:
        raise UsageError(f"the example is {name!r}; one of {', '.join(reader_study.DESIGNS)} is needed.")
    if to is None and not power:
        raise UsageError(f"--example {name} needs --to, the folder to write into, or --power.")
    design = reader_study.DESIGNS[name]
    if to is not None:
        outputs.check_folder("--to", to)
        for path in reader_study.write_study(design, to, seed=seed):
            typer.echo(f"{path}  SIMULATED")
    if power:
        _power(name, seed=seed, json_file=json_file)


def _power(name: str, *, seed: int, json_file: Path | None) -> None:
    from macule.evaluation.readers import power
    from macule.examples.reader_study import DESIGNS

    with bars() as start:
        rows = power.table(DESIGNS[name], studies=STUDIES, seed=seed, trusts=power.TRUSTS,
                           tick=start("simulating", STUDIES * len(power.TRUSTS)))
    print_power(name, STUDIES, rows)
    if json_file:
        content = {"design": name, "seed": seed, "rows": [row.to_dict() for row in rows]}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
