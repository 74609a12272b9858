"""Every code a finding of the definitions may carry, with what it means; docs/reference is made from this table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xrm.errors import Issue
from xrm.metadata.model import Origin

CODES: Mapping[str, str] = MappingProxyType(
    {
        # reading a file
        "unreadable_file": "The file cannot be opened, or is not UTF-8 text.",
        "file_name": "A file of definitions must end in .yaml.",
        "file_too_large": "A file holds at most 1 MiB and 50,000 values; a folder at most 5,000 files.",
        "empty_file": "The file holds no definition. An emptied file would silently drop what it defined.",
        "bad_character": "The text holds a control character, an invisible line break or half a surrogate pair.",
        "yaml_syntax": "The text is not YAML.",
        "too_deep": "Values are nested more than 40 levels deep.",
        "duplicate_key": "A key is written twice in one table.",
        "bad_key": "A key is not a plain word.",
        "anchor_refused": "Anchors and aliases (&, *) are not part of the grammar.",
        "tag_refused": "Tags (!name) are not part of the grammar.",
        "number_too_long": "A number has more digits than can be kept exactly.",
        # the grammar
        "unknown_kind": "The first key of a document must name a kind of definition.",
        "unknown_key": "The grammar has no such key here.",
        "missing_key": "A key the grammar requires is missing.",
        "wrong_type": "The value is of another type than the grammar asks for.",
        "not_allowed": "The value is not one of those the grammar allows.",
        "bad_name": "The name is not made of lower case letters, digits and underscores, or is written wrongly.",
        "out_of_range": "A number is too small or too large, or a text or list too short or too long.",
        "grammar": "The value breaks another rule of the grammar.",
        # putting layers together
        "duplicate_definition": "Two files define the same thing.",
        "extends_own": "An extension and the entity it adds to are in the same layer.",
        "extends_unknown": "There is no such entity in an earlier layer.",
        "plugin_conflict": "Two plugins set the same property to different values.",
        "trait_conflict": "Two traits bring the same field with different properties.",
        "type_conflict": "A later layer gives a field another type without naming the type it replaces.",
        "nothing_to_change": "An extension changes or removes what no earlier layer has.",
        "renamed_name": "What is named here has another name now, by a former name written elsewhere.",
        "changed_and_removed": "One layer changes what another one removes.",
        "mixed_list": "A list mixes plain names with +name and -name.",
        "sign_without_base": "+name and -name need a list of an earlier layer to change.",
        "not_in_list": "-name takes away what is not in the list.",
        "unknown_trait": "There is no such trait.",
        "workflow_field": "The workflow makes its field; the field itself may only say how it is shown.",
        "type_field": "The record types make their field; it may only say how it is shown, and its default.",
        # names
        "reserved_name": "The name belongs to the platform or to the expression language.",
        "shadowed_name": "Expressions cannot reach a field of this name.",
        "name_clash": "Two things need the same name in the same place.",
        "was_conflict": "A former name is still in use, or is claimed twice.",
        # references
        "unknown_entity": "There is no such entity.",
        "unknown_field": "The entity has no such field.",
        "unknown_role": "There is no such role.",
        "unknown_state": "The workflow has no such state.",
        "unknown_action": "There is no such action.",
        "unknown_class": "There is no such class of fields.",
        "removed_name": "The thing referred to is marked as removed.",
        "not_a_relation": "A path goes on behind a field that is not a relation to one entity.",
        # fields
        "missing_type": "The field has no type.",
        "missing_option": "The type of the field needs an option that is not there.",
        "option_not_for_type": "The type of the field has no such option.",
        "option_conflict": "Two options of the field exclude each other.",
        "bad_option": "The value of the option does not fit the type of the field.",
        "circular_way": "Grants by way of relations (via) lead back to the entity they begin at.",
        "not_erasable": "A field named in `privacy` is not kept in the record.",
        "not_a_date": "The time to keep counts from a date or a datetime.",
        "nothing_to_erase": "Data of people is to be erased after a time, and no field holds any.",
        "bad_hours": "The hours of `when` are not written as 08:00-18:00.",
        "bad_network": "A network of `when` is not written as an address and a length.",
        "not_writable": "A grant presets a field that cannot be written.",
        "bad_default": "The default or back-fill does not fit the type of the field.",
        "bad_pattern": "The pattern is not a regular expression that can be matched in linear time.",
        "bad_schema": "The schema is no JSON Schema (2020-12), refers to another document, or is too large.",
        "not_indexable": "Values of this type cannot be unique, indexed or sorted by.",
        "duplicate_item": "A list names the same thing twice.",
        "too_many_fields": "An entity has more columns than both databases can keep in one table.",
        # labels, views, workflows
        "bad_label": 'The label is not a template such as "{name}".',
        "wrong_field": "A field of this type cannot be used here.",
        "unknown_view_kind": "The name of the view is not a kind, and it does not say which kind it is.",
        "option_not_for_view": "This kind of view has no such option.",
        "unreachable_state": "No transition leads to the state.",
        "dead_end": "No transition leads out of the state, and it is not final.",
        "ambiguous_transition": "Two transitions lead from the same state to the same state.",
        # computed fields
        "computed_chain": "Too many computed fields are made of one another.",
        "computed_cycle": "Computed fields need each other in a circle.",
        "computed_size": "A formula is made of too many other computed fields.",
        "unknown_list": "No relation names the list of records (inverse) that a rollup sums up.",
        # expressions
        "expression": "The expression cannot be understood, or has the wrong type.",
    }
)
"""Code → explanation. Codes are stable: tools and translations may rely on them."""

MEND: Mapping[str, str] = MappingProxyType(
    {
        "yaml_syntax": "look at this line and the one before: quotes, brackets, colons and how far it is indented",
        "bad_character": "take the character out, or write it as an escape in double quotes",
        "too_deep": "no definition needs more than a few levels: look for a bracket or indentation too many",
        "bad_key": "keys are names: small letters, digits and _",
        "tag_refused": "take the tag out, and write the value as plain text or number",
        "anchor_refused": "write the value out where it is used, or make a trait of it",
        "file_too_large": "divide it into several files",
        "missing_key": "add it, or see docs/reference/grammar.md for what belongs here",
        "out_of_range": "see docs/reference/grammar.md for what is allowed here",
        "wrong_type": "see docs/reference/grammar.md for what is expected here",
        "bad_option": "see docs/reference/field-types.md for what fits the type",
        "bad_default": "write a value the field would take",
        "bad_pattern": "a regular expression without look-around and back-references, such as [A-Z]{2}[0-9]+",
        "bad_schema": "JSON Schema 2020-12; a $ref may only point into this schema (#/$defs/…)",
        "option_conflict": "take one of the two out",
        "unknown_entity": "define it in a file of its own, or correct the name",
        "unknown_field": "add the field, or correct the name",
        "unknown_role": "define the role, or correct the name",
        "unknown_state": "add it to the states of the workflow, or correct the name",
        "unknown_action": "correct the name",
        "extends_unknown": "correct the name, or define it with entity: instead of extends:",
        "not_indexable": "take it out of the key, index or order",
        "wrong_field": "choose another field",
        "bad_label": 'such as "{name}", or "{name|email}" for the first that is not empty',
        "was_conflict": "a former name is that of a field or entity that is no more: take it out, or correct it",
        "name_clash": "choose another name",
        "computed_cycle": "let one of them be written by people, or compute it of other fields",
        "computed_chain": "compute it in fewer steps",
        "expression": "see docs/reference/expressions.md for the language",
        "too_many_fields": "move some into an entity of their own, and relate the two",
        "duplicate_item": "remove one",
        "duplicate_key": "keep one of them",
    }
)
"""Code → how to mend it, where a finding does not say more."""

WARNINGS = frozenset(
    {"unreachable_state", "dead_end", "ambiguous_transition", "not_in_list", "duplicate_item", "shadowed_name"}
)
"""Codes of findings that are told and let through."""


def found(place: Origin | str, code: str, message: str, hint: str = "") -> Issue:
    """Return a finding at `place`, as severe as its code says.

    Raises:
        KeyError: The code is not in `CODES`.
    """
    if code not in CODES:
        raise KeyError(code)
    return Issue(str(place), code, message, hint or MEND.get(code, ""), "warning" if code in WARNINGS else "error")
