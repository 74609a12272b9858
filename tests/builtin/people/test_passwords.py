"""Which passwords are accepted, and how they are hashed."""

from __future__ import annotations

import asyncio

import pytest

from xrm.builtin.people.passwords import COMMON, Passwords, check_password
from xrm.errors import Invalid


@pytest.fixture
def passwords():
    made = Passwords()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "too_short"),
        ("x" * 201, "too_long"),
        ("Ann.Miller@Example.com", "password_is_email"),
        ("ann.miller@", "password_is_email"),
        ("PasswordPassword", "password_common"),
        ("aaaaaaaaaaaa", "password_common"),
        ("abababababab", "password_common"),
    ],
)
def test_weak_passwords_are_refused_with_a_reason(password, code):
    with pytest.raises(Invalid) as refused:
        check_password(password.removesuffix("@"), "ann.miller@example.com")
    assert [issue.code for issue in refused.value.issues] == [code]


@pytest.mark.parametrize("password", ["ten chars!", "correct horse battery", "пароль-для-входа", "x1" + "yz" * 99])
def test_any_characters_are_fine_when_there_are_enough(password):
    check_password(password, "ann@example.com")


def test_the_list_of_common_ones_holds_only_what_is_long_enough():
    assert len(COMMON) > 150
    assert all(len(word) >= 10 and word == word.casefold() for word in COMMON)


async def test_only_the_right_password_fits_and_two_hashes_differ(passwords):
    one, two = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert one != two
    assert one.startswith("$argon2id$")
    assert await passwords.verify(one, "correct horse")
    assert not await passwords.verify(one, "correct horsf")
    assert not await passwords.verify("not a hash", "correct horse")
    assert not await passwords.verify(None, "correct horse")


async def test_the_same_text_in_another_unicode_form_fits(passwords):
    hashed = await passwords.hash("cafe\u0301 au lait")
    assert await passwords.verify(hashed, "café au lait")


async def test_the_loop_goes_on_while_passwords_are_checked(passwords):
    hashed = await passwords.hash("correct horse")
    storm = [asyncio.create_task(passwords.verify(hashed, f"guess number {n}")) for n in range(8)]
    turns = 0
    while not all(task.done() for task in storm):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 50
    assert not any(task.result() for task in storm)
