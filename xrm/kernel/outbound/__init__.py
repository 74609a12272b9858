"""What the site sends out into the world: mail, and requests to other servers. Nothing else opens a connection."""
