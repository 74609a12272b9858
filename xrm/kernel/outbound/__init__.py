"""What the site sends out into the world: mail. Nothing else of the platform opens a connection."""
