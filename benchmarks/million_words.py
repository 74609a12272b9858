"""How long a search takes among a million records: ``python -m benchmarks.million_words URL [RECORDS]``.

The database must be empty. Records are written as the kernel writes them, in bulk; each search is run 60 times through
the records door as an administrator, and the median and the slowest are told, in milliseconds.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from xrm.kernel.change import SYSTEM, uuid7
from xrm.kernel.query import Query
from xrm.kernel.words import kept_words
from xrm.testing import TestSite, make_site

FILES = {
    "entities/party.yaml": """
entity: party
label: "{name}"
search: [name, city, phone, number]
fields: {name: {type: text, required: true}, city: text, phone: text, number: {type: text, unique: true}}
"""
}
FIRST = ("anna", "bernd", "clara", "dieter", "erika", "frank", "greta", "hans", "ines", "jonas", "karla", "lars", "mia")
SYLLABLES = ("mül", "ler", "schmi", "dt", "ko", "walski", "bau", "er", "hof", "mann", "wein", "berg", "stein", "gru")
CITIES = ("Köln", "Berlin", "Hamburg", "München", "Wien", "Zürich", "Paris", "Rom", "Oslo", "Riga")
SEARCHES = (
    "RE-0500000",
    "hofmann weinberg",
    "089 77",
    "anna müllerkowalski köln",
    "greta steinhof",
    "weinbau",
    "anna",
    "köln",
)
AT_ONCE = 20_000
TIMES = 60


def person(number: int, chance: random.Random) -> tuple[str, str, str, str]:
    """Return name, city, telephone and number of a made-up party."""
    family = "".join(chance.choice(SYLLABLES) for _ in range(3)).capitalize()
    name = f"{chance.choice(FIRST).capitalize()} {family} {''.join(chance.choice(SYLLABLES) for _ in range(2))}"
    return name, chance.choice(CITIES), f"+4989{chance.randrange(10**6, 10**7)}", f"RE-{number:07}"


async def fill(site: TestSite, records: int) -> None:
    """Write the records."""
    chance, rows = random.Random(7), site.kernel.live.entities["party"].rows
    for start in range(0, records, AT_ONCE):
        made, now = [], site.clock()
        for number in range(start, min(start + AT_ONCE, records)):
            name, city, phone, code = person(number, chance)
            values = {"id": uuid7(), "version": 1, "created_at": now, "updated_at": now, "label": name, "name": name}
            values |= {"city": city, "phone": phone, "number": code}
            values["search"] = kept_words([("name", name), ("city", city), ("phone", phone[1:]), ("number", code)])
            made.append(rows.insert(values))
        await site.kernel.store.execute_many(made[0][0], [arguments for _, arguments in made])
    if site.kernel.store.dialect.name == "postgresql":
        await site.kernel.store.execute('ANALYZE "party"')


async def measure(site: TestSite, text: str) -> tuple[float, float, int]:
    """Return the median and the slowest of many searches, in milliseconds, and how many records fit (up to 10,000)."""
    query, taken = Query(search=text, fields=("label",), limit=20), []
    for _ in range(TIMES):
        start = time.perf_counter()
        await site.records.list(SYSTEM, "party", query)
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken), max(taken), (await site.records.count(SYSTEM, "party", query)).value


async def main(url: str, records: int) -> None:
    """Fill and measure."""
    with tempfile.TemporaryDirectory() as folder:
        async with make_site(Path(folder), url, FILES) as site:
            start = time.perf_counter()
            await fill(site, records)
            print(f"{records:,} records in {time.perf_counter() - start:.0f} s")
            for text in SEARCHES:
                middle, slowest, fitting = await measure(site, text)
                print(f"{text:28} {middle:8.1f} ms  slowest {slowest:8.1f} ms  {fitting:6,} fit")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000))
