"""Models that are wrong by accident or on purpose, each with the code of the finding it must give.

One table, so that every door (command line, kernel, HTTP) meets the same attacks. A name ending in ``*`` may give other
findings besides; all others give exactly one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HEAD = "entity: thing\nlabel: '{name}'\nfields:\n  name: text\n"


def fields(*lines: str) -> str:
    """Return an entity with these fields besides its name."""
    return HEAD + "".join(f"  {line}\n" for line in lines)


def more(text: str) -> str:
    """Return an entity that also says this."""
    return f"{HEAD}{text}\n"


def formula(text: str) -> str:
    """Return an entity with a formula."""
    return fields(f"a: {{type: integer, formula: {text!r}}}")


def _bomb(depth: int) -> str:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, depth)]
    return "entity: thing\n" + "\n".join(lines)


def _ring(size: int) -> str:
    return fields(*(f"f{n}: {{type: integer, formula: 'f{(n + 1) % size} + 1'}}" for n in range(size)))


HOSTILE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # --- YAML -------------------------------------------------------------------------------------------------
        "alias bomb*": (_bomb(30), "anchor_refused"),
        "anchor": ("entity: thing\nfields: &f {name: text}\n", "anchor_refused"),
        "merge key*": (fields("<<: {a: text}"), "bad_name"),
        "tag of Python*": ("entity: !!python/object/apply:os.system ['true']\nfields: {}\n", "tag_refused"),
        "binary tag": ("entity: thing\nfields: {a: {type: text, help: !!binary aGk=}}\n", "tag_refused"),
        "deep lists": (f"entity: thing\nfields: {{a: {'[' * 5_000}{']' * 5_000}}}", "too_deep"),
        "deep tables": ("entity: thing\nfields:\n" + "".join(f"{'  ' * n}a:\n" for n in range(1, 300)), "too_deep"),
        "ten megabytes": ("entity: thing\n# " + "x" * 10_000_000, "file_too_large"),
        "too many values": ("entity: thing\nfields: {}\nindexes: [" + "[a]," * 40_000 + "]", "file_too_large"),
        "long number": (fields("a: {type: integer, min: " + "9" * 5_000 + "}"), "number_too_long"),
        "duplicate keys": (fields("a: text", "a: integer"), "duplicate_key"),
        "duplicate kinds": ("entity: thing\nentity: other\nfields: {}\n", "duplicate_key"),
        "key that is a list": ("entity: thing\nfields: {[a, b]: text}\n", "bad_key"),
        "key that is a number": (fields("7: text"), "bad_name"),
        "long key": (fields("a" * 500 + ": text"), "bad_key"),
        "NUL": ("entity: thing\nfields: {a: {type: text, help: 'x\0y'}}\n", "bad_character"),
        "line separator": ("entity: thing\nfields: {a: {type: text, help: 'x\u2028y'}}\n", "bad_character"),
        "half a surrogate pair": ('entity: thing\nfields: {a: {type: text, help: "\\ud800"}}\n', "yaml_syntax"),
        "unclosed quote": ("entity: thing\nfields: {a: {type: text, help: 'x}}\n", "yaml_syntax"),
        "tabs": ("entity: thing\nfields:\n\ta: text\n", "yaml_syntax"),
        "a list": ("- entity: thing\n", "unknown_kind"),
        "only a text": ("thing", "unknown_kind"),
        "nothing": ("# nothing\n", "empty_file"),
        # --- names ------------------------------------------------------------------------------------------------
        "capital letters": ("entity: Thing\nfields: {}\n", "bad_name"),
        "letters that look alike": ("entity: th\u0456ng\nfields: {}\n", "bad_name"),
        "right to left": (fields('"a\u202eb": text'), "bad_name"),
        "SQL for a name": ("entity: 'thing\"; DROP TABLE user; --'\nfields: {}\n", "bad_name"),
        "SQL for a field": (fields("'a\"); --': text"), "bad_name"),
        "a path for a name": ("entity: '../../etc/passwd'\nfields: {}\n", "bad_name"),
        "long name": (f"entity: {'a' * 60}\nfields: {{}}\n", "bad_name"),
        "reserved entity": ("entity: model\nfields: {}\n", "reserved_name"),
        "table of the platform": ("entity: xrm_journal\nfields: {}\n", "reserved_name"),
        "table of SQLite": ("entity: sqlite_master\nfields: {}\n", "reserved_name"),
        "table of PostgreSQL": ("entity: pg_class\nfields: {}\n", "reserved_name"),
        "field of the platform": (fields("version: integer"), "reserved_name"),
        "field id": (fields("id: text"), "reserved_name"),
        "word of expressions": (fields("'null': text"), "reserved_name"),
        "true as a name": (fields("true: text"), "reserved_name"),
        "two columns of one name": (fields("price: money", "price_currency: text"), "name_clash"),
        "entity of another layer": ("entity: user\nfields: {}\n", "duplicate_definition"),
        # --- types ------------------------------------------------------------------------------------------------
        "no such type": (fields("a: {type: txt}"), "not_allowed"),
        "no type": (fields("a: {title: A}"), "missing_type"),
        "type that is a list*": (fields("a: {type: [text]}"), "wrong_type"),
        "required perhaps": (fields("a: {type: text, required: perhaps}"), "wrong_type"),
        "min that is no number": (fields("a: {type: integer, min: low}"), "bad_option"),
        "min above max": (fields("a: {type: integer, min: 5, max: 1}"), "bad_option"),
        "NaN": (fields("a: {type: decimal, min: .nan}"), "bad_option"),
        "infinity": (fields("a: {type: decimal, max: .inf}"), "bad_option"),
        "endless exponent": (fields("a: {type: decimal, min: '1e999999'}"), "bad_option"),
        "limit beyond 64 bits": (fields("a: {type: integer, max: 99999999999999999999}"), "number_too_long"),
        "scale above precision": (fields("a: {type: decimal, precision: 2, scale: 5}"), "option_conflict"),
        "precision of a thousand": (fields("a: {type: decimal, precision: 1000}"), "out_of_range"),
        "negative length": (fields("a: {type: text, max: -1}"), "bad_option"),
        "default of another type": (fields("a: {type: integer, default: many}"), "bad_default"),
        "default that is no choice": (fields("a: {type: choice, choices: [x], default: y}"), "bad_default"),
        "choices without end": (fields("a: {type: choice, choices: []}"), "missing_option"),
        "pattern that never ends": (fields("a: {type: text, pattern: '(a+)+$\\1'}"), "bad_pattern"),
        "pattern that is none": (fields("a: {type: text, pattern: '['}"), "bad_pattern"),
        "schema from elsewhere": (
            fields("a: {type: json, schema: {$ref: 'http://169.254.169.254/latest'}}"),
            "bad_schema",
        ),
        "schema that is none": (fields("a: {type: json, schema: {type: 7}}"), "bad_schema"),
        "stars without end": (fields("a: {type: rating, max: 100000000}"), "bad_option"),
        "integer limit beyond": (fields("a: {type: integer, min: 1e99}"), "bad_option"),
        "place beyond the pole": (fields("a: {type: geo_point, default: {lat: 1000, lng: 0}}"), "bad_default"),
        "currency that is none": (fields("a: {type: money, default: {amount: '1', currency: XX}}"), "bad_default"),
        "address on Mars": (fields("a: {type: address, default: {planet: mars}}"), "bad_default"),
        "range that ends first": (
            fields("a: {type: date_range, default: {start: '2026-01-02', end: '2026-01-01'}}"),
            "bad_default",
        ),
        "too many fields": (fields(*(f"f{n}: text" for n in range(2_500))), "too_many_fields"),
        "secret with a default": (fields("a: {type: secret, default: hunter2}"), "option_not_for_type"),
        "option of another type": (fields("a: {type: date, scale: 2}"), "option_not_for_type"),
        "number without zeros": (fields("a: {type: auto_number, number: 'A'}"), "bad_option"),
        # --- references -------------------------------------------------------------------------------------------
        "relation to nowhere": (fields("a: {type: relation, to: thong}"), "unknown_entity"),
        "relation without a target": (fields("a: {type: relation}"), "missing_option"),
        "inverse that is taken": (fields("a: {type: relation, to: thing, inverse: name}"), "name_clash"),
        "hierarchy elsewhere": (fields("a: {type: relation, to: user, hierarchy: true}"), "bad_option"),
        "unknown trait": (more("uses: [owneed]"), "unknown_trait"),
        "extends nothing": ("extends: thnig\nfields: {a: text}\n", "extends_unknown"),
        "role of nothing": ("role: r\ngrants: [{entity: thnig, actions: [read]}]\n", "unknown_entity"),
        "grant of a lie": ("role: r\ngrants: [{entity: user, actions: [raed]}]\n", "unknown_action"),
        "former name in use": (fields("a: text", "b: {type: text, was: a}"), "was_conflict"),
        "key over nothing": (more("unique: [[naem]]"), "unknown_field"),
        "index over a list": (fields("a: tags") + "indexes: [[a]]\n", "not_indexable"),
        "key of forty": (
            fields(*(f"f{n}: text" for n in range(40))) + f"unique: [[{', '.join(f'f{n}' for n in range(40))}]]\n",
            "out_of_range",
        ),
        "label over nothing": (HEAD.replace("{name}", "{naem}"), "unknown_field"),
        "label that formats": (HEAD.replace("{name}", "{name.__class__}"), "bad_label"),
        "view over nothing": (more("views: {list: {columns: [a.b.c]}}"), "unknown_field"),
        "board without lanes": (more("views: {board: {by: name}}"), "wrong_field"),
        # --- circles and bombs ------------------------------------------------------------------------------------
        "formula of itself": (formula("a + 1"), "computed_cycle"),
        "ring of formulas": (_ring(200), "computed_chain"),
        "deep expression": (formula("(" * 200 + "1" + ")" * 200), "expression"),
        "deep negation": (more("checks: [{require: '" + "!" * 3_000 + "true', message: m}]"), "expression"),
        "long expression": (formula("+".join(["1"] * 4_000)), "out_of_range"),
        "expression without end": (formula("1 +"), "expression"),
        "function of the system": (formula("__import__('os').system('id')"), "expression"),
        "attribute of a value": (formula("name.__class__"), "expression"),
        "SQL in an expression": (formula("1; DROP TABLE user"), "expression"),
        "type lie": (formula("name"), "expression"),
        "huge number": (formula("9" * 400), "expression"),
        "ring of rollups*": (
            fields(
                "p: {type: relation, to: thing, inverse: kids}", "a: {type: rollup, of: kids, compute: sum, field: a}"
            ),
            "computed_cycle",
        ),
        "workflow without states": (more("workflow: {states: {}}"), "out_of_range"),
        "workflow to nowhere": (
            more("workflow: {states: {a: {final: done}}, transitions: {go: {from: a, to: b}}}"),
            "unknown_state",
        ),
        "workflow over a field": (more("workflow: {field: id, states: {a: {final: done}}}"), "reserved_name"),
        "button to a script": (more("buttons: {b: {open: 'javascript:alert(1)'}}"), "expression"),
        "type without fields": (more("record_types: {t: {hidden: [nothing]}}"), "unknown_field"),
        "unknown word": (more("tables: {}"), "unknown_key"),
        "word of others": (more("triggers: [x]"), "unknown_key"),
    }
)
