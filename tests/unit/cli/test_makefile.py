"""The Makefile says what macule understands: every command of its recipes is parsed, none is run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from macule.cli.app import app

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
#: Shell that ends a command of macule's.
ENDS = {"||", "&&", "|", ";", ">"}


def dry(*arguments: str) -> list[str]:
    """What make would run, a line a command; nothing is run."""
    # The shell would ask for a bundle's run and for a folder of folds, and there is none.
    given = ["DATA=data", "run_of=work/run", "folded=work/folds"]
    done = subprocess.run(["make", "--dry-run", "--always-make", *arguments, *given], cwd=ROOT, check=True,
                          capture_output=True, text=True)
    return done.stdout.replace("\\\n", " ").splitlines()


def spoken(lines: list[str]) -> list[list[str]]:
    """The arguments of each command of macule's."""
    found = []
    for line in lines:
        words = shlex.split(line)
        if words and words[0].endswith("/bin/macule"):
            end = next((number for number, word in enumerate(words) if word.rstrip(";") in ENDS), len(words))
            found.append(words[1:end])
    return found


def parse(arguments: list[str]) -> str:
    """Returns: the verb. Raises: a usage error of the command line's library if macule would refuse these arguments."""
    command, rest, names = typer.main.get_command(app), list(arguments), []
    while hasattr(command, "commands"):
        names.append(rest.pop(0))
        command = command.commands[names[-1]]
    command.make_context(names[-1], rest)
    return " ".join(names)


def targets() -> list[str]:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    phony = [line.partition(":")[2].split() for line in lines if line.startswith(".PHONY:")]
    return sorted({name for names in phony for name in names if not name.startswith("$")})


@pytest.fixture(scope="module")
def commands() -> list[list[str]]:
    return spoken(dry(*targets()))


def test_every_command_is_one_that_macule_understands(commands: list[list[str]]) -> None:
    found = {parse(arguments) for arguments in commands}
    assert found >= {"predict", "serve", "train", "quantise", "combine", "card", "matrix", "data audit"}


@pytest.mark.parametrize("wrong", [["train", "lite", "--dta", "x"], ["combine", "--name", "x"], ["nonesuch"]])
def test_a_command_that_is_not_is_noticed(wrong: list[str]) -> None:
    with pytest.raises(Exception, match=r"dta|runs|RUN|nonesuch"):
        parse(wrong)


def order(variant: str) -> list[str]:
    return [re.sub(r".*--out work/", "", " ".join(words)).split()[0] for words in spoken(dry("model", variant))
            if "--out" in words]


@pytest.mark.parametrize(("variant", "folders"), [
    ("VARIANT=default", ["lite", "onward", "default"]),
    ("VARIANT=lite", ["lite", "onward", "default", "phone"]),
    ("VARIANT=accurate", ["lite", "onward", "default", "accurate"]),
])
def test_the_way_to_a_variant(variant: str, folders: list[str]) -> None:
    assert order(variant) == folders


def test_the_whole_chain_ends_with_a_card_of_each() -> None:
    cards = [words for words in spoken(dry("model")) if words[0] == "card"]
    assert {words[words.index("--bundle") + 1] for words in cards} == {"work/phone", "work/default", "work/accurate"}
    (default,) = [words for words in cards if "work/default" in words]
    assert default[default.index("--against") + 1] == "src/macule/bundles/default"


def test_help_is_words_and_no_command() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stderr == "" and "make folds" in done.stdout


def test_a_step_that_is_done_is_skipped(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for stamp in (".venv-dev/.made", "work/lite/.made", "work/onward/.made", "work/default/.made"):
        (tmp_path / stamp).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / stamp).touch()
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()  # newer than the environment: no reason to train anew
    done = subprocess.run(["make", "--dry-run", "model", "VARIANT=lite"], cwd=tmp_path, check=True,
                          capture_output=True, text=True)
    assert [words[0] for words in spoken(done.stdout.splitlines())] == ["quantise", "card"]


@pytest.mark.parametrize(("ended", "logged"), [(0, True), (1, True), (3, False), (130, False)])
def test_the_log_of_a_queue_tells_of_failed_entries_too(tmp_path: Path, ended: int, logged: bool) -> None:
    fake, told = tmp_path / "bin" / "macule", tmp_path / "told"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(told))}\n[ "$2" = log ] || exit {ended}\n')
    fake.chmod(0o755)
    (tmp_path / ".made").touch()
    done = subprocess.run(["make", f"--old-file={tmp_path}/.made", "queue", f"DEV={tmp_path}", "DATA=data"], cwd=ROOT,
                          check=False, capture_output=True, text=True)
    assert [parse(line.split()) for line in told.read_text().splitlines()] == ["queue run", *["queue log"] * logged]
    assert (done.returncode == 0) is (ended == 0)


def test_every_embedded_bundle_has_a_report() -> None:
    asked = [words[words.index("--bundle") + 1] for words in spoken(dry("reports"))]
    embedded = [f"src/macule/bundles/{path.parent.name}" for path in ROOT.glob("src/macule/bundles/*/bundle.json")]
    assert set(embedded) <= set(asked)


def test_the_help_names_what_there_is() -> None:
    told = {word for line in dry("help") for word in re.findall(r'"make ([\w-]+)', line)}
    assert told <= set(targets()) and {"model", "reports", "variants"} <= told
