"""Who may do what: roles → rules per (entity, action) → a row predicate and masked columns, as SQL.

There is no second path: lists, counts, filters, sorting, aggregates, labels, search, export and the checks before and
after a write all ask an `Access` of this module. Deny by default: without a grant an entity does not exist.

Semantics:
    * A row may be acted upon if one rule of the action holds for it (rules are OR-ed).
    * A field may be read on a row if one rule *that gives the field* holds for that row: rows of one rule and fields
      of another are never combined.
    * A computed field is given by a rule that gives all it is made of, unless it says ``as: system``. One that is kept
      and made of other records is given to whoever may read all of these records.
    * A rule `via` a relation holds where the record it leads to is given for the same action.
    * A record that is shared with the actor, or with a team of theirs, is given as the share's level and fields say.
    * After a write the new row must still satisfy the rules of the action, and the ``check`` of the rule that holds
      (like WITH CHECK in PostgreSQL).
"""

from __future__ import annotations

from xrm.kernel.policy.compiled import Policy, roles_key
from xrm.kernel.policy.rules import Access, Rule, Shared, Way, label_fields, selected, visibility
from xrm.kernel.policy.scopes import USER_ID, Eyes, checked, predicate
from xrm.kernel.policy.shares import LEVELS, NAMING, SHARE, SHARED_RECORD, least, no_fields
from xrm.metadata.model import ACTIONS

__all__ = [
    "ACTIONS",
    "LEVELS",
    "NAMING",
    "SHARE",
    "SHARED_RECORD",
    "USER_ID",
    "Access",
    "Eyes",
    "Policy",
    "Rule",
    "Shared",
    "Way",
    "checked",
    "label_fields",
    "least",
    "no_fields",
    "predicate",
    "roles_key",
    "selected",
    "visibility",
]
