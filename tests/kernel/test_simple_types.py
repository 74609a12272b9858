"""Types of one column: telephone numbers in every notation, texts with a layout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xrm.errors import Invalid, ModelError
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.testing import TestSite, make_site, site_settings
from xrm.web import markup
from xrm.web.facets import Facet, expression
from xrm.web.show import Show

CARD = """
entity: card
label: "{name}"
search: [name, phone, notes]
fields: {name: text, phone: {type: phone, unique: true}, notes: rich_text}
"""


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, {"entities/card.yaml": CARD}) as made:
        yield made


async def _found(site: TestSite, words: str) -> int:
    return len((await site.records.list(SYSTEM, "card", Query(search=words))).records)


@pytest.mark.parametrize(
    "words",
    ["030 123456", "+49 30 123456", "0049 30 123456", "+49(0)30/123456", "(030) 123-456", "+4930123456", "123456"],
)
async def test_a_search_finds_a_number_in_any_notation(site: TestSite, words: str) -> None:
    await site.system.create("card", {"name": "A", "phone": "030 / 12 34-56"})
    assert await _found(site, words) == 1
    assert await _found(site, "030 654321") == 0
    field = site.kernel.model.entities["card"].fields["phone"]
    condition = expression([Facet(field, "text", (words,))], Show(site.kernel.model, None).zone)  # type: ignore[arg-type]  # no times here
    assert len((await site.records.list(SYSTEM, "card", Query(condition[0]))).records) == 1


async def test_two_notations_of_one_number_are_one_value(site: TestSite) -> None:
    made = await site.system.create("card", {"phone": "+49 30 123456"})
    found = await site.system.find("card", "phone == '+4930123456'")
    assert found is not None
    assert found["id"] == made["id"]


async def test_numbers_are_those_of_the_sites_country_and_shown_as_there(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, {"entities/card.yaml": CARD}, country="AT") as site:
        made = await site.system.create("card", {"phone": "01 58858 ext. 12"})
        assert made["phone"] == "+43158858;ext=12"
        field = site.kernel.model.entities["card"].fields["phone"]
        at, de = (Show(site.kernel.model, None, "", country) for country in ("AT", "DE"))  # type: ignore[arg-type]  # no times
        assert at.plain(field, made["phone"]) == "01 58858 ext. 12"
        assert de.plain(field, made["phone"]) == "+43 1 58858 ext. 12"
        assert 'href="tel:+43158858;ext=12"' in at.rich(field, made["phone"])
        assert at.plain(field, "as it was kept before") == "as it was kept before"
        with pytest.raises(Invalid) as caught:
            await site.system.create("card", {"phone": "+43 1 5885812345678901"})
        assert caught.value.issues[0].code == "impossible_phone"
        assert "+43" in caught.value.issues[0].hint
        long = await site.system.create("card", {"phone": "+453 3331 9991"})
        assert long["phone"] == "+45333319991"


def test_a_country_is_two_letters(tmp_path: Path) -> None:
    (tmp_path / "xrm.yaml").write_text("country: Austria\n")
    with pytest.raises(ModelError) as caught:
        site_settings(tmp_path, "sqlite:///x.db")
    assert [i.path for i in caught.value.issues] == ["country"]


async def test_the_words_of_rich_text_are_found_and_its_tags_are_not(site: TestSite) -> None:
    await site.system.create("card", {"name": "A", "notes": "<p>one</p><p><strong>two</strong> &amp; three</p>"})
    assert await _found(site, "two one") == 1
    assert await _found(site, "strong") == 0


FORBIDDEN = ("script", "img", "svg", "math", "style", "iframe", "form", "input")
ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>a</a>",
    "<a href='data:text/html,x'>a</a>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><style><img src onerror=alert(1)></style></mtext></math>",
    "<p style='position:fixed'>a</p>",
    "<iframe src=//x></iframe><form action=//x><input></form>",
    "<a href='&#106;avascript:alert(1)'>a</a>",
    "[a](javascript:alert(1))",
    "![a](https://example.com/spy.gif)",
    "<b onmouseover=alert(1)>a</b>",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_acts_reaches_a_page(attack: str) -> None:
    for shown in (markup.rich(attack), markup.markdown(attack)):
        tags = shown.lower().replace("&lt;", "")
        assert not any(f"<{tag}" in tags for tag in FORBIDDEN)
        assert 'href="javascript' not in tags
        assert 'href="data' not in tags
        assert "<p style" not in tags
        assert markup.rich(markup.rich(attack)) == markup.rich(attack)


async def test_what_was_written_past_the_platform_is_cleaned_when_it_is_shown(site: TestSite) -> None:
    field = site.kernel.model.entities["card"].fields["notes"]
    show = Show(site.kernel.model, None)  # type: ignore[arg-type]  # no times here
    assert "<script" not in show.rich(field, "<p>a<script>b</script></p>")
    assert "<p>a</p>" in show.rich(field, "<p>a<script>b</script></p>")


def test_markdown_shows_its_layout() -> None:
    shown = markup.markdown("# Head\n\n- *one*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<https://example.com>")
    for part in ("<h1>Head</h1>", "<li><em>one</em></li>", "<td>1</td>", 'href="https://example.com"', "noopener"):
        assert part in shown
    assert markup.plain_markdown("# Head\n\n**two**") == "Head two"
