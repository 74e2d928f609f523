"""How a recipe's pictures are parted: nothing leaks, unless that is asked for by name."""

from __future__ import annotations

from collections import Counter

import miniature
import miniature_sets
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.data import kinship, links, sources
from macule.errors import ClassMissing, DatasetError, LeakingSplit, UsageError
from macule.taxonomy import Diagnosis
from macule.training import build, labels, prepare
from macule.training import recipe as recipes
from macule.training.build import Source
from macule.training.prepare import Fold
from macule.training.recipe import Targets

pytestmark = pytest.mark.training

DX = ("nv", "nv", "mel", "bcc", "bkl")
LESIONS = 60
RECIPE = {
    "name": "mini", "summary": "for tests", "datasets": ["ham10000"],
    "split": {"train": 0.5, "calibration": 0.25, "test": 0.25, "search": False},
    "network": {"backbone": "test_efficientnet", "pretrained": "no"},
    "phases": [{"size": 32, "epochs": 1, "learning_rate": 1e-3}], "serving": {"size": 32},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """HAM10000: 60 lesions of two pictures each. MILK10k: 12. Two exams, and a set that lumps what is benign."""
    root = tmp_path_factory.mktemp("data")
    rows = [miniature.ham_row(f"{n // 2:04}", f"{n:07}", DX[n // 2 % 5]) for n in range(2 * LESIONS)]
    miniature.ham10000(root / "HAM10000", rows)
    miniature.milk10k(root / "MILK10k", {f"IL_{n}": ("NV", "MEL", "BCC")[n % 3] for n in range(12)})
    # One picture of the exam stands in HAM10000 under the same archive id.
    miniature.isic2018(root / "ISIC2018", "Validation", {"ISIC_0000007": "NV", "ISIC_20": "NV", "ISIC_21": "MEL"})
    miniature.isic2017(root / "ISIC2017", "Test_v2", {"ISIC_30": (1, 0), "ISIC_31": (0, 0)})
    miniature_sets.isic2016(root / sources.find("isic2016").folder, "Training",
                            {f"ISIC_4{n:02}": "malignant" if n % 4 == 0 else "benign" for n in range(40)})
    return root


@pytest.fixture
def read(root, tmp_path):
    def read(*, pairs=None, fold=None, **settings):
        return prepare.read(made(**settings), root, tmp_path / "work", pairs=pairs, fold=fold)

    return read


def made(**settings):
    return recipes.parse(RECIPE, where="test").changed({key.replace("__", "."): value
                                                        for key, value in settings.items()})


def linked(path, *pairs):
    """A file of `macule data audit`; each end: data set, picture, lesion."""
    rows = [",".join((*one, *other)) for one, other in pairs]
    path.write_text("\n".join([",".join(links.COLUMNS), *rows]), encoding="utf-8")
    return path


def ham(lesion, picture=None):
    number = 2 * lesion if picture is None else picture
    return "ham10000", f"ISIC_{number:07}", f"ham10000:HAM_{lesion:04}"


def groups(records):
    return {record.group for record in records}


def role(parts, group):
    return next(name for name in prepare.ROLES if group in groups(getattr(parts, name)))


def everything(parts):
    return [record for name in prepare.ROLES for record in getattr(parts, name)]


# Shares


@pytest.mark.parametrize("by", ["patient", "lesion"])
@pytest.mark.parametrize("seed", range(3))
def test_no_lesion_is_in_two_parts_and_none_is_lost(read, by, seed):
    parts = read(split__by=by, split__seed=seed)
    assert not parts.leaky and not parts.report.leaky
    assert Counter(record.group for record in everything(parts)) == {f"ham10000:HAM_{n:04}": 2 for n in range(LESIONS)}
    for one, other in (("train", "calibration"), ("train", "test"), ("calibration", "test")):
        assert not prepare.overlap(getattr(parts, one), getattr(parts, other))
    sizes = {name: len(getattr(parts, name)) for name in prepare.ROLES}
    assert sizes == pytest.approx({"train": 60, "calibration": 30, "test": 30}, abs=4)


def test_every_class_is_shared_out_alike(read):
    parts = read()
    for name, share in (("train", 0.5), ("calibration", 0.25), ("test", 0.25)):
        counts = Counter(record.diagnosis for record in getattr(parts, name))
        assert counts[Diagnosis.NV] == pytest.approx(48 * share, abs=4)
        assert all(counts[code] == pytest.approx(24 * share, abs=4) for code in (Diagnosis.MEL, Diagnosis.BCC))


def test_the_seed_decides(read):
    one, same, other = (read(split__seed=seed) for seed in (1, 1, 2))
    assert [groups(one.test), groups(one.train)] == [groups(same.test), groups(same.train)]
    assert groups(one.test) != groups(other.test)


def test_a_split_by_picture_leaks_and_is_refused(read, root, tmp_path):
    parts = read(split__by="picture")
    assert parts.leaky and prepare.overlap(parts.train, parts.test)
    recipe, source = made(split__by="picture"), Source(root, tmp_path / "work")
    with pytest.raises(LeakingSplit, match=r"same lesion \d+.*Set split\.by to patient.*--allow-leak"):
        build.read(recipe, source)
    allowed = build.read(recipe, Source(root, tmp_path / "work", allow_leak=True))
    assert allowed.leaky and len(everything(allowed)) == 2 * LESIONS


# A share of the lesions


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_only_a_share_is_kept_whole_lesions(read, keep):
    parts = read(split__keep=keep)
    assert len(groups(everything(parts))) == pytest.approx(keep * LESIONS, abs=3)
    assert set(Counter(record.group for record in everything(parts)).values()) == {2}


def test_the_same_share_is_kept_whatever_else_changes(read):
    """A leaky and a leak-free run of one recipe are compared on the same lesions."""
    kept = groups(everything(read(split__keep=0.5)))
    for change in ({"split__by": "picture"}, {"split__by": "lesion"},
                   {"split__train": 0.7, "split__calibration": 0.2, "split__test": 0.1}):
        assert groups(everything(read(split__keep=0.5, **change))) == kept


# Links


def test_linked_lesions_stay_together(read, tmp_path):
    """Also through a third, and across data sets."""
    milk = ("milk10k", "ISIC_9000003", "milk10k:IL_1")
    pairs = linked(tmp_path / "pairs.csv", (ham(2), ham(7)), (ham(7, 15), milk))
    together = []
    for seed in range(6):
        settings = {"datasets": ["ham10000", "milk10k"], "split__seed": seed}
        parts = read(pairs=pairs, **settings)
        assert not parts.leaky
        found = {role(parts, group) for group in ("ham10000:HAM_0002", "ham10000:HAM_0007", "milk10k:IL_1")}
        assert len(found) == 1
        apart = read(**settings)
        together.append(len({role(apart, group) for group in ("ham10000:HAM_0002", "ham10000:HAM_0007")}) == 1)
    assert not all(together), "without the links some seed parts them"


def test_links_are_told_in_the_split(read, tmp_path):
    pairs = linked(tmp_path / "pairs.csv", (ham(2), ham(7)))
    told = read(pairs=pairs).split
    assert told["links"] == 1 and told["links_sha256"] and told["by"] == "patient"
    assert told["shares"] == {"train": 0.5, "calibration": 0.25, "test": 0.25}
    assert read().split["links"] == 0


def test_without_a_search_nothing_is_searched(read, tmp_path):
    read()
    assert not (tmp_path / "work").exists() or not list((tmp_path / "work").iterdir())


# Exams


EXAMS = {"exams": ["isic2018", "isic2017"]}


def test_what_stands_in_an_exam_is_left_out_with_its_kin(read, tmp_path):
    """ISIC_0000007 by its archive id, so all of HAM_0003; HAM_0009 and what is linked to it by a link."""
    pairs = linked(tmp_path / "pairs.csv", (ham(9), ("isic2017", "ISIC_31", "isic2017:ISIC_31")), (ham(9, 19), ham(11)))
    parts = read(pairs=pairs, **EXAMS)
    assert groups(parts.left_out) == {f"ham10000:HAM_{n:04}" for n in (3, 9, 11)} and len(parts.left_out) == 6
    assert not groups(parts.left_out) & groups(everything(parts))
    assert {name: len(records) for name, records in parts.exams.items()} == {"isic2018": 3, "isic2017": 2}
    assert len(everything(parts)) == 2 * LESIONS - 6


def test_without_exams_nothing_is_left_out(read):
    assert read().left_out == [] and len(everything(read())) == 2 * LESIONS


# Folds


def test_every_lesion_is_tested_once_and_calibrates_in_the_fold_before(read):
    folds = [read(fold=Fold(number, 4)) for number in range(4)]
    assert not any(fold.leaky for fold in folds)
    tested = Counter(group for fold in folds for group in groups(fold.test))
    assert tested == {f"ham10000:HAM_{n:04}": 1 for n in range(LESIONS)}
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert groups(fold.calibration) == groups(following.test)
        assert groups(fold.train) == groups(everything(fold)) - groups(fold.test) - groups(fold.calibration)
    assert folds[1].split["fold"] == "1 of 4" and "shares" not in folds[1].split


@pytest.mark.parametrize("fold", [Fold(0, 2), Fold(0, 1), Fold(0, 0), Fold(3, 3), Fold(-1, 3), Fold(0, 101)])
def test_impossible_folds_are_refused(read, fold):
    with pytest.raises(UsageError, match=f"fold {fold.number} of {fold.count} is asked for; 3 to 100 folds"):
        read(fold=fold)


def test_linked_lesions_are_in_one_fold(read, tmp_path):
    pairs = linked(tmp_path / "pairs.csv", *((ham(n), ham(n + 1)) for n in range(0, 20, 2)))
    for number in range(3):
        parts = read(pairs=pairs, fold=Fold(number, 3))
        assert not parts.leaky
        for n in range(0, 20, 2):
            assert role(parts, f"ham10000:HAM_{n:04}") == role(parts, f"ham10000:HAM_{n + 1:04}")


# Lumped labels


def test_lumped_labels_train_along_and_are_left_out_elsewhere(read):
    """ISIC 2016 says benign or melanoma: a fourth of it has one diagnosis."""
    parts = read(datasets=["ham10000", "isic2016"])
    lumps = [record for record in parts.train if len(record.labels) > 1]
    assert lumps and labels.allowed(parts.train, Targets.DIAGNOSIS).sum(axis=1).max() > 1
    for records in (parts.calibration, parts.test):
        assert records and all(len(record.labels) == 1 for record in records)
    assert len(lumps) + parts.vague == 30 and parts.vague > 0
    assert len(everything(parts)) + parts.vague == 2 * LESIONS + 40


def test_what_is_benign_is_clear_to_a_network_of_two_classes(read):
    """But AKIEC, indeterminate, is on both sides of ISIC 2016's line, so that its benign pictures say nothing."""
    parts = read(datasets=["isic2016"], targets="malignant")
    benign = [record for record in everything(parts) if len(record.labels) > 1]
    clear = labels.rows(benign, Targets.MALIGNANT).sum(axis=1) == 1 if benign else []
    outside = [record for name in ("calibration", "test") for record in getattr(parts, name)]
    assert all(labels.rows([record], Targets.MALIGNANT).sum() == 1 for record in outside)
    assert len(everything(parts)) + parts.vague == 40 and len(clear) == len(benign)


# What ends a run before it starts


def test_a_class_that_only_the_other_parts_hold_is_named(read, tmp_path):
    parts = read()
    rare = [record for record in parts.train if record.diagnosis is not Diagnosis.BCC]
    with pytest.raises(ClassMissing, match="no picture of bcc"):
        build.sets(made(), prepare.Parts(**{**vars(parts), "train": rare}), tmp_path / "work")
    assert not list((tmp_path / "work").glob("*.npy")), "and no picture was decoded for it"


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match="HAM10000"):
        prepare.read(made(), tmp_path, tmp_path / "work")


def test_links_of_a_file_that_is_not_there(read, tmp_path):
    with pytest.raises(DatasetError, match=r"pairs\.csv"):
        read(pairs=tmp_path / "pairs.csv")


def test_kept_links_of_fewer_sets_are_not_used_for_more(root):
    """They would hide a leak."""
    ours = sources.load("ham10000", root / "HAM10000", part="all")
    assert prepare._key(ours) == prepare._key(ours[::-1]) != prepare._key(ours[1:])
    assert kinship.of_records(ours, links.NONE).names[0].startswith("ham10000:")
