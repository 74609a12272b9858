"""A plugin comes in a new version: the plan says what it changes below the site's own words, and the site's stay."""

from __future__ import annotations

from pathlib import Path

from xrm.kernel.change import SYSTEM
from xrm.site import open_site
from xrm.testing import make_site, site_settings, write_files

V1 = """\
entity: boat
fields:
  name: {type: text, max: 100}
  speed: {type: integer, min: 0, max: 50}
checks: [{name: moves, require: "speed != null", message: A boat has a speed.}]
"""
FILES = {
    "plugins/fleet/plugin.yaml": "plugin: fleet\ntitle: Fleet\n",
    "plugins/fleet/entities/boat.yaml": V1,
    "entities/boat.yaml": "extends: boat\nfields: {speed: {max: 30}}\nchecks: [{name: moves, removed: true}]\n",
}


async def test_the_plan_of_an_upgrade_tells_what_stays(database_url: str, tmp_path: Path) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        made = await site.system.create("boat", {"name": "Anna"})  # the check is gone
        assert site.kernel.model.entities["boat"].fields["speed"].max == 30
    write_files(tmp_path, {"plugins/fleet/entities/boat.yaml": V1.replace("max: 50", "max: 60, help: In knots.")})
    async with open_site(site_settings(tmp_path, database_url)) as again:
        plan = await again.kernel.plan(again.kernel.sources())
        (notice,) = plan.issues
        assert (notice.path, notice.code, notice.severity) == ("boat.speed.max", "overridden_change", "warning")
        assert "'fleet' changed from 50 to 60" in notice.message
        assert "set at entities/boat.yaml:2:23" in notice.message
        await again.kernel.apply(SYSTEM, again.kernel.sources())
        speed = again.kernel.model.entities["boat"].fields["speed"]
        assert (speed.max, speed.help) == (30, "In knots.")
        assert (await again.kernel.records.bound(SYSTEM).get("boat", made["id"]))["name"] == "Anna"
        assert not (await again.kernel.plan(again.kernel.sources())).issues
