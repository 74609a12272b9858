async def test_a(store):
    assert (await store.fetch("SELECT 1"))[0][0] == 1
async def test_b(store):
    assert (await store.fetch("SELECT 1"))[0][0] == 1
async def test_c(store):
    assert (await store.fetch("SELECT 1"))[0][0] == 1
