"""The pages, one module per kind: each takes a `PageVisit` and the `Renderer` and returns an answer."""
