"""A manifest says what its text says, or every mistake in it at once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ManifestRejected
from harness.intake.manifest import EntryManifest, parse_manifest


def mistakes(text: str | bytes) -> dict[str, str]:
    """field -> message of every mistake in `text`."""
    with pytest.raises(ManifestRejected) as refusal:
        parse_manifest(text if isinstance(text, bytes) else text.encode())
    assert all(problem.fix for problem in refusal.value.problems)
    return {problem.field: problem.message for problem in refusal.value.problems}


def with_line(text: str, key: str, line: str) -> str:
    """`text` with the line of `key` replaced."""
    return "\n".join(line if old.startswith(f"{key} =") else old for old in text.splitlines())


def test_every_key_is_read(manifest_text):
    assert parse_manifest(manifest_text.encode()) == EntryManifest(
        user_name="tester",
        email="tester@example.org",
        entry_name="My first entry",
        description="Two lines,\nthe second one.",
        training_flops=1.5e19,
        external_data=("DINOv2: https://example.org/dino",),
        claimed_val_loss=8.5,
        causal=True,
        parameters=1.8e6,
        forbidden_reference=True,
        eligible_for_prize=False,
        rules_accepted=True,
        eligibility_attested=True,
    )


def test_what_may_be_left_out_has_a_harmless_meaning(manifest_text):
    """Nobody is marked as breaking the rules, and left unranked, for saying nothing."""
    text = manifest_text
    for key in ("causal", "claimed_val_loss", "parameters", "forbidden_reference", "eligible_for_prize"):
        text = with_line(text, key, "")
    manifest = parse_manifest(text.encode())
    assert (manifest.claimed_val_loss, manifest.causal) == (None, False)
    assert (manifest.parameters, manifest.forbidden_reference) == (None, False)
    assert manifest.eligible_for_prize


def test_an_empty_manifest_names_every_required_key():
    required = {"user_name", "email", "entry_name", "description", "training_flops", "external_data"}
    assert set(mistakes("")) == required | {"rules_accepted", "eligibility_attested"}


def test_all_mistakes_are_told_at_once(manifest_text):
    text = with_line(manifest_text, "user_name", 'user_name = "not ok"')
    text = with_line(text, "causal", 'causal = "yes"')
    text = with_line(text, "rules_accepted", "rules_accepted = false")
    text = with_line(text, "email", "")
    assert set(mistakes(text + "\ncolour = 1\n")) == {
        "user_name",
        "causal",
        "rules_accepted",
        "email",
        "colour",
    }


@pytest.mark.parametrize(
    "toml",
    [
        "a" + ".a" * 70 + " = 1",
        "[a" + " . a" * 70 + "]",
        "'a'" + ".'a'" * 70 + " = 1",
        "x = {a" + ".a" * 70 + " = 1}",
        'x = ["""a"""", "b", {a' + ".a" * 70 + ' = 1}, "c"]',
        "x = ['''a''''', 'b', {a" + ".a" * 70 + " = 1}, 'c']",
        'x = "\\\\" # "\na' + ".a" * 70 + " = 1",
        "a.b = 1\n" * 70,
    ],
)
def test_keys_of_very_many_parts_are_refused_before_they_are_read(toml):
    """Control: dots are counted where no text and no comment is; it does not hide them that a text ends oddly."""
    found = mistakes(toml)
    assert list(found) == ["(file)"]
    assert "dots outside of texts and comments" in found["(file)"]


@given(
    st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=200),
    st.sampled_from(["'", '"', ".", "\\", "#", "\n"]),
)
def test_dots_in_texts_and_comments_are_nobodys_concern(text, char):
    value = json.dumps(f"{text}{char * 5}{text}" + "." * 100)
    comment = "# " + "." * 100 + " '\"" + '"""'
    manifest = (
        f'{comment}\nclaimed_val_loss = 8.5 {comment}\ndescription = {value}\nx = """\n.{"." * 100}"""""\n'
    )
    assert "(file)" not in mistakes(manifest.replace("\x7f", ""))


def test_of_very_many_unknown_keys_some_are_named(manifest_text):
    """Control: messages are kept, and shown, and a stranger's file does not make them long."""
    assert len(mistakes("".join(f"k{number} = 1\n" for number in range(5000)) + manifest_text)) == 20


def test_an_unknown_key_is_compared_with_the_known_ones(manifest_text):
    with pytest.raises(ManifestRejected) as refusal:
        parse_manifest((manifest_text + "\nclaimed_loss = 8.1\n").encode())
    assert [problem.fix for problem in refusal.value.problems] == ["did you mean claimed_val_loss?"]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("user_name", '""', "empty"),
        ("user_name", '"' + "a" * 33 + '"', "33 characters"),
        ("user_name", '"a b"', "not a user name"),
        ("user_name", '"../x"', "not a user name"),
        ("user_name", '"\\u200e"', "does not print"),
        ("user_name", '"ärger"', "not a user name"),
        ("user_name", "7", "is the number 7, not text"),
        ("email", '"nobody"', "not an e-mail"),
        ("email", '"a@b"', "not an e-mail"),
        ("email", '"a b@c.de"', "not an e-mail"),
        ("email", '"a@@c.de"', "not an e-mail"),
        ("entry_name", '"  "', "empty"),
        ("entry_name", '"two\\nlines"', "does not print (\\n)"),
        ("entry_name", '"\\u001b[2Jgone"', "does not print (\\x1b)"),
        ("entry_name", '"\\u202Eevil"', "does not print (\\u202e)"),
        ("entry_name", '"\\u2066x\\u2069"', "does not print (\\u2066)"),
        ("entry_name", '"\\U0001F468\\u200D\\U0001F680"', "does not print (\\u200d)"),
        ("entry_name", '""', "is empty"),
        ("entry_name", "[1]", "is a list, not text"),
        ("entry_name", '"' + "n" * 65 + '"', "64 are allowed"),
        ("entry_name", '"' + "n" * 300 + '"', "has 300 characters; 64 are allowed"),
        ("description", '"bell \\u0007"', "does not print (\\x07)"),
        ("description", '"' + "n" * 2001 + '"', "2000 are allowed"),
        ("training_flops", "-1", "not between"),
        ("training_flops", "nan", "not between"),
        ("training_flops", "inf", "not between"),
        ("training_flops", "1" + "0" * 400, "not between"),
        ("training_flops", "true", "is true, not a number"),
        ("training_flops", '"1e19"', 'is the text "1e19", not a number'),
        ("training_flops", "1979-05-27", "a date or time, not a number"),
        ("external_data", '"ImageNet"', 'is the text "ImageNet", not a list'),
        ("external_data", "[1]", "has a source that is the number 1, not text"),
        ("external_data", '[""]', "source that is empty"),
        ("external_data", "[" + '"a",' * 51 + "]", "51 sources"),
        ("external_data", "{}", "a table, not a list"),
        ("claimed_val_loss", "-0.5", "not between"),
        ("claimed_val_loss", "nan", "not between"),
        ("causal", "1", "is the number 1, not true or false"),
        ("parameters", "-1", "is -1, which is not between 0 and 1e+15"),
        ("parameters", "1e16", "is 1e+16, which is not between"),
        ("parameters", "1" + "0" * 400, "is 1e400 or more, which is not between"),
        ("parameters", "0.5", "is 0.5, which is no whole number"),
        ("parameters", "nan", "is nan, which is not between"),
        ("parameters", "true", "is true, not a number"),
        ("parameters", '"1.8 M"', 'is the text "1.8 M", not a number'),
        ("forbidden_reference", '"no"', 'is the text "no", not true or false'),
        ("eligible_for_prize", "1", "not true or false"),
        ("rules_accepted", "false", "cannot take part"),
        ("eligibility_attested", "false", "cannot take part"),
    ],
)
def test_a_wrong_value_is_the_one_mistake(manifest_text, key, value, says):
    found = mistakes(with_line(manifest_text, key, f"{key} = {value}"))
    assert list(found) == [key]
    assert says in found[key]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"user_name = \n", "line 1"),
        (b'a = "x"\nb = [1,\nc = 2\n', "line 3"),
        (b"a = 1\na = 2\n", "not TOML"),
        (b"a = 1\nb = \xff\n", "not UTF-8 (line 2)"),
        (b"a = " + b"[" * 20_000, "nested too deep"),
        (b"a = " + b"9" * 5000, "not TOML"),
        (b"#" * 70_000, "longer than"),
        (b"\xef\xbb\xbfa = 1", "not TOML"),
        (b"\x1b[2J = 1", "not TOML"),
    ],
)
def test_what_is_not_toml_has_one_reason(text, says):
    found = mistakes(text)
    assert list(found) == ["(file)"]
    assert says in found["(file)"]
    assert found["(file)"].isprintable()


def test_an_emoji_and_letters_of_any_script_may_be_in_a_name_and_spaces_around_it_are_left_out(manifest_text):
    text = with_line(manifest_text, "entry_name", 'entry_name = "  \U0001f916 \u673a\u5668\u4eba "')
    assert parse_manifest(text.encode()).entry_name == "\U0001f916 \u673a\u5668\u4eba"


def test_every_mistake_has_its_own_remedy_beside_it(manifest_text):
    text = with_line(with_line(manifest_text, "causal", "casual = true"), "email", 'email = "me"')
    with pytest.raises(ManifestRejected) as refusal:
        parse_manifest(text.encode())
    first, *lines = refusal.value.message.split("\n")
    assert first == "wmc.toml has 2 mistakes:"
    assert lines == [
        "  casual is not a key of wmc.toml: did you mean causal?",
        '  email "me" is not an e-mail address: write email = "you@example.org"',
    ]


def test_a_key_that_would_clear_the_screen_is_shown_harmlessly(manifest_text):
    found = mistakes(manifest_text + '\n"\\u001b[2J" = 1\n')
    assert list(found) == ["\\x1b[2J"]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_a_named_mistake(text):
    assert mistakes(text)


@pytest.mark.parametrize(
    ("entry_name", "expected"),
    [
        ("My first entry", "tester-My-first-entry.zip"),
        ("../../x", "tester-x.zip"),
        ("机器人", "tester-entry.zip"),
    ],
)
def test_the_zips_name_is_one_every_file_system_takes(manifest_text, entry_name, expected):
    text = with_line(manifest_text, "entry_name", f'entry_name = "{entry_name}"')
    assert parse_manifest(text.encode()).zip_name == expected
