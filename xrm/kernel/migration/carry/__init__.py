"""How values that are there get into fields as they will be: mapped, computed, matched, moved.

    find(earlier, …)          model before, model after → the carries          (find.py)
    survey(store, carry)      how many records it fills, changes, cannot serve (work.py; reads only)
    lay(store, carry)         puts the values down beside the tables, by id    (work.py)

What is laid down is taken up by the DDL (`Column.taken`), when the old columns may be gone already. So every carry
reads the records as they were before the plan, whatever else the plan does to them.
"""
