"""A plugin comes in a new version: what the site said of its entities stays, merges by a rule, or is told."""

from __future__ import annotations

import pytest

from tests.metadata.sites import model, reviewed, source
from xrm.errors import Issue
from xrm.metadata.upgrades import overridden_changes

V1 = """\
entity: deal
title: Deal
fields:
  name: {type: text, max: 100}
  amount: {type: money, min: 0}
  stage: {type: choice, choices: [a, b]}
checks: [{name: paid, require: "amount != null", message: Amount please.}]
views: {list: {columns: [name, amount], sort: name}}
---
role: sales
grants: [{name: deals, entity: deal, actions: [read, update]}]
"""
SITE = """\
extends: deal
title: Chance
fields:
  name: {max: 50}
  amount: {min: 5}
  region: {type: text}
views: {list: {columns: [+stage], sort: -amount}}
checks: [{name: paid, severity: warn}]
---
role: sales
grants: [{name: deals, actions: [read]}]
"""


def upgraded(change: tuple[str, str], site: str = SITE) -> list[Issue]:
    """Return the notices when the plugin's text changes in one place."""
    assert change[0] in V1
    return overridden_changes(model(source(V1, "crm"), site), model(source(V1.replace(*change), "crm"), site))


def refused(change: tuple[str, str], site: str = SITE) -> list[tuple[str, str, str]]:
    """Return the findings about the plugin's next version together with the site's extension."""
    assert change[0] in V1
    issues = reviewed(source(V1.replace(*change), "crm"), source(site)).issues
    return [(issue.path, issue.code, issue.message) for issue in issues]


def test_other_properties_merge_in_silence() -> None:
    change = ("{type: money, min: 0}", "{type: money, min: 0, help: What it is worth.}")
    assert upgraded(change) == []
    deal = model(source(V1.replace(*change), "crm"), SITE).entities["deal"]
    assert (deal.fields["amount"].min, deal.fields["amount"].help) == (5, "What it is worth.")
    assert deal.views["list"].columns == ("name", "amount", "stage")


@pytest.mark.parametrize(("change", "path", "said"), [
    (("min: 0", "min: 1"), "deal.amount.min",
     "'crm' changed from 0 to 1 at crm.yaml:5:30; 'site' keeps 5, set at site.yaml:5:17"),
    (("max: 100", "max: 80"), "deal.name.max", ("'crm' changed from 100 to 80 at crm.yaml:4:27; 'site' keeps 50, "
     "set at site.yaml:4:15")),
    (("title: Deal", "title: Bargain"), "deal.title", ("'crm' changed from 'Deal' to 'Bargain' at crm.yaml:2:8; "
     "'site' keeps 'Chance', set at site.yaml:2:8")),
    (("sort: name", "sort: amount"), "deal.views.list.sort", ("'crm' changed from ['name'] to ['amount'] at "
     "crm.yaml:8:47; 'site' keeps ['-amount'], set at site.yaml:7:41")),
    (("message: Amount please.", "message: Amount please., severity: debt"), "deal.checks.paid.severity",
     "'crm' sets 'debt' at crm.yaml:7:85; 'site' keeps 'warn', set at site.yaml:8:33"),
    (("[read, update]", "[read, update, delete]"), "sales.grants.deals.actions", ("'crm' changed from "
     "['read', 'update'] to ['read', 'update', 'delete'] at crm.yaml:11:47; 'site' keeps ['read'], "
     "set at site.yaml:11:33")),
])  # fmt: skip
def test_a_change_below_an_override_is_told(change: tuple[str, str], path: str, said: str) -> None:
    (notice,) = upgraded(change)
    assert (notice.path, notice.code, notice.severity, notice.message) == (path, "overridden_change", "warning", said)


def test_a_value_that_is_no_longer_set_below_is_told() -> None:
    (notice,) = upgraded((", min: 0", ""))
    assert notice.message == "'crm' no longer says what it said (0); 'site' keeps 5"
    assert (notice.path, notice.hint) == ("deal.amount.min", "set at site.yaml:5:17")


def test_a_plugin_that_comes_to_agree_with_the_site_is_no_news() -> None:
    assert upgraded(("min: 0", "min: 5")) == []


def test_an_override_that_is_new_is_no_news() -> None:
    later = SITE.replace("{min: 5}", "{min: 5, title: Worth}")
    assert overridden_changes(model(source(V1, "crm"), SITE), model(source(V1, "crm"), later)) == []


def test_a_field_the_site_extends_was_renamed() -> None:
    findings = refused(("amount: {type: money, min: 0}", "price: {type: money, was: amount}"))
    assert ("site.yaml:5:3", "renamed_name", "the field 'amount' is called 'price' now, by 'crm' at crm.yaml:5:29") in (
        findings
    )


def test_a_field_the_site_uses_was_renamed() -> None:
    site = "extends: deal\nviews: {list: {columns: [+stage]}}\n"
    change = ("stage: {type: choice", "phase: {was: stage, type: choice")
    assert refused(change, site) == [
        ("site.yaml:2:26", "renamed_name", "the field 'stage' is called 'phase' now, by 'crm' at crm.yaml:6:16")
    ]


def test_the_entity_was_renamed() -> None:
    version = V1.replace("entity: deal", "entity: chance\nwas: deal").replace("entity: deal,", "entity: chance,")
    issues = reviewed(source(version.replace("entity: chance\nwas: deal,", "entity: chance,"), "crm"), SITE).issues
    said = "the entity 'deal' is called 'chance' now, by 'crm' at crm.yaml:2:6"
    assert ("site.yaml:1:10", "renamed_name", said) in [(i.path, i.code, i.message) for i in issues]


def test_a_field_the_site_extends_is_gone() -> None:
    findings = refused(
        ("  stage: {type: choice, choices: [a, b]}\n", ""), "extends: deal\nfields: {stage: {help: H}}\n"
    )
    assert findings == [
        ("site.yaml:2:10", "nothing_to_change", "there is no field 'stage' of an earlier layer to change")
    ]


def test_a_field_the_site_extends_is_removed() -> None:
    change = ("choices: [a, b]}", "choices: [a, b], removed: true}")
    assert refused(change, "extends: deal\nfields: {stage: {help: H}}\n") == [
        ("site.yaml:2:24", "changed_and_removed",
         "fields.stage is changed here, but 'crm' removes it at crm.yaml:6:51"),
    ]  # fmt: skip


def test_a_field_the_site_uses_is_removed() -> None:
    change = ("choices: [a, b]}", "choices: [a, b], removed: true}")
    assert refused(change, "extends: deal\nviews: {list: {columns: [+stage]}}\n") == [
        ("site.yaml:2:26", "removed_name", "the field 'stage' is removed, by 'crm' at crm.yaml:6:51"),
    ]


def test_the_site_may_keep_a_field_that_a_plugin_removes() -> None:
    removed = source(V1.replace("choices: [a, b]}", "choices: [a, b], removed: true}"), "crm")
    deal = model(removed, "extends: deal\nfields: {stage: {removed: false}}\n").entities["deal"]
    assert not deal.fields["stage"].removed


def test_a_field_the_site_limits_has_another_type() -> None:
    (finding,) = refused(("{type: money, min: 0}", "{type: tags}"), "extends: deal\nfields: {amount: {min: 5}}\n")
    assert finding[:2] == ("site.yaml:2:24", "option_not_for_type")
    assert "the type is set by 'crm' at crm.yaml:5:18" in finding[2]


def test_a_field_the_site_added_comes_with_the_plugin_too() -> None:
    same = ("  stage:", "  region: {type: text, help: Where.}\n  stage:")
    assert refused(same) == []
    assert upgraded(same) == []
    deal = model(source(V1.replace(*same), "crm"), SITE).entities["deal"]
    assert deal.fields["region"].help == "Where."
    other = ("  stage:", "  region: {type: integer}\n  stage:")
    assert refused(other) == [
        ("site.yaml:6:18", "type_conflict",
         "the field 'region' is of type text here, and by 'crm' of type integer at crm.yaml:6:18"),
    ]  # fmt: skip


def test_the_site_may_change_a_type_by_naming_the_one_it_replaces() -> None:
    site = "extends: deal\nfields: {name: {type: email, replaces: text}}\n"
    assert model(source(V1, "crm"), site).entities["deal"].fields["name"].type == "email"
    (finding,) = refused(("name: {type: text, max: 100}", "name: {type: phone}"), site)
    assert finding[:2] == ("site.yaml:2:23", "type_conflict")


def test_a_named_check_the_site_changes_is_gone() -> None:
    change = ('checks: [{name: paid, require: "amount != null", message: Amount please.}]\n', "")
    assert ("site.yaml:8:10", "nothing_to_change", "there is no check named 'paid' in an earlier layer") in refused(
        change
    )
