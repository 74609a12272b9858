"""Who acts on a site: users, units, teams and the traits that tie records to them. Definitions only."""
