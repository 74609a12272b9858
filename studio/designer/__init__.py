"""The parts of the entity designer: one module per tab, and the inputs they share."""
