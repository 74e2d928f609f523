"""Plans: every public data set has one, its addresses are safe, and editions, mirrors and licences do as they say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from macule.data.fetch import licences, plans
from macule.data.fetch.plan import Checksum, Download, Edition, Plan, mirrored, space
from macule.data.sources import SOURCES
from macule.errors import DatasetError, UsageError


def test_every_public_data_set_has_a_plan_and_no_other_has() -> None:
    public = {card.id for card in SOURCES.values() if card.pictures is not None}
    assert set(plans.PLANS) == public
    with pytest.raises(DatasetError, match="no public data set 'folder'"):
        plans.find("folder")


@pytest.mark.parametrize("plan", plans.PLANS.values(), ids=list(plans.PLANS))
def test_each_edition_of_a_plan_is_whole(plan: Plan) -> None:
    """It has files, a collection or steps for a person; each file its own place; only https, only named editions."""
    for edition in plan.editions:
        chosen = plan.choose(edition.name or None, None)
        assert chosen.automatic or chosen.by_hand
        targets = [each.target for each in chosen.downloads]
        assert len(set(targets)) == len(targets)
        assert edition.card(SOURCES[plan.dataset]).pictures
        assert all(url.startswith("https://") for each in chosen.downloads for url in (each.url, *each.others))
    assert {each.edition for each in plan.downloads} <= {None, *(edition.name for edition in plan.editions)}


def test_a_file_that_reaches_outside_cannot_be_planned() -> None:
    for name in ("../x.csv", "/etc/x", "a/../../x"):
        with pytest.raises(ValueError, match="below the data set"):
            Download(name, "https://example.org/x", 1)
    with pytest.raises(ValueError, match="below the data set"):
        Download("x.zip", "https://example.org/x", 1, unpack="../x")
    with pytest.raises(ValueError, match="is no md5"):
        Checksum("md5", hashlib.sha256(b"").hexdigest())


def test_an_edition_has_its_own_files_count_and_licence() -> None:
    plan = plans.find("isic2018")
    third, first = plan.choose(None, None), plan.choose("task1", None)
    assert third.edition.name == "task3"
    assert not {each.target for each in third.downloads} & {each.target for each in first.downloads}
    card = first.edition.card(SOURCES["isic2018"])
    assert (card.pictures, card.licence, first.edition.options) == (3_694, "CC0 1.0", {"task": "1"})
    assert [each.name for each in plans.find("dermamnist").choose("28", None).downloads] == ["dermamnist.npz"]


def test_an_unknown_edition_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no edition '225'; it has: 224, 128, 64, 28"):
        plans.find("dermamnist").choose("225", None)
    with pytest.raises(UsageError, match="one edition"):
        plans.find("ham10000").choose("224", None)
    with pytest.raises(UsageError, match="one edition"):
        plans.find("ham10000").choose("", None)


def test_a_mirror_takes_the_place_of_scheme_and_host_and_of_older_addresses() -> None:
    chosen = plans.find("milk10k").choose(None, "http://mirror.example.org:8080/skin/")
    assert chosen.downloads[0].url == (
        "http://mirror.example.org:8080/skin/challenges/milk10k/MILK10k_Training_GroundTruth.csv")
    assert mirrored("https://a.org/api/4338392?format=original", "https://b.org") == (
        "https://b.org/api/4338392?format=original")
    assert all(each.others for each in plans.find("isic2019").downloads)
    assert not any(each.others for each in plans.find("isic2019").choose(None, "https://b.org").downloads)


@pytest.mark.parametrize("base", ["mirror.example.org", "ftp://mirror.example.org", "https://", "", "https://a.org?x=1"])
def test_a_mirror_that_is_no_address_is_refused(base: str) -> None:
    with pytest.raises(UsageError, match="the mirror"):
        mirrored("https://a.org/x", base)


def test_the_archives_client_knows_no_mirror() -> None:
    with pytest.raises(UsageError, match="isic-cli, which knows no mirror"):
        plans.find("bcn20000").choose(None, "https://mirror.example.org")


def test_space_counts_what_stands_beside_each_other() -> None:
    files = [Download("a.csv", "https://a.org/a", 5), Download("b.zip", "https://a.org/b", 70, 100, unpack="b"),
             Download("c.zip", "https://a.org/c", 40, unpack="c")]
    assert space(files, keep_archives=False) == 5 + 100 + 40 + 100
    assert space(files, keep_archives=True) == 5 + 2 * (100 + 40)
    assert space([], keep_archives=False) == 0


def test_a_notice_names_the_licence_its_meaning_and_whom_to_cite() -> None:
    notice = licences.notice(SOURCES["ham10000"])
    for part in ("HAM10000", "CC BY-NC 4.0", "not for a product", "Sci. Data 5:180161", "doi.org"):
        assert part in notice


def test_each_licence_has_its_meaning_or_points_to_the_publisher() -> None:
    meanings = {card.id: licences.meaning(card) for card in SOURCES.values() if card.pictures}
    assert "every use" in meanings["isic2016"]
    assert "a product's too" in meanings["pad-ufes-20"]
    assert "the same licence" in meanings["fitzpatrick17k"]
    assert "https://derm.cs.sfu.ca" in meanings["derm7pt"]
    assert "https://ddi-dataset.github.io" in meanings["ddi"]


def test_an_edition_without_changes_leaves_the_card_alone() -> None:
    assert Edition().card(SOURCES["ham10000"]) == SOURCES["ham10000"]


def test_the_manual_says_of_each_set_how_it_comes() -> None:
    manual = Path(__file__).parents[3] / "docs" / "fetching.md"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in manual.read_text().splitlines()
            if line.startswith("| ")]
    told = {row[0]: row for row in rows if row[0] in plans.PLANS}
    assert set(told) == set(plans.PLANS)
    for name, plan in plans.PLANS.items():
        assert ("by hand" in told[name][1]) == bool(plan.by_hand), name
        if plan.collection is not None:
            assert str(plan.collection) in told[name][1]
        kinds = {each.checksum.algorithm for each in plan.downloads if each.checksum}
        assert ("MD5" in told[name][3]) == ("md5" in kinds), name
        assert ("SHA-256" in told[name][3]) == ("sha256" in kinds), name
