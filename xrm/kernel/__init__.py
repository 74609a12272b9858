"""MODEL → RUNNING SITE: plan and apply, records, policy, expressions, changes. Knows no HTTP."""
