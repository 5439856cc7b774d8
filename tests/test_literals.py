"""Literals: found, carried through an echo, verified and repaired as people would."""

import re
from pathlib import Path

import pytest

from tformer.model.literals.finding import find
from tformer.model.literals.kind import Kind, Role
from tformer.model.literals.kinds import KINDS
from tformer.model.literals.repairing import apply, edits_for
from tformer.model.literals.verifying import missing_units, verify
from tformer.model.passes.preparation import Preparer
from tformer.model.text.casing import Casing
from tformer.model.text.language_check import found_language, speaks_target
from tformer.model.text.languages import code_of, nearest
from tformer.model.text.segmentation import split
from tformer.model.vocabulary.sentencepiece import Vocabulary

SHIPPED = Path(__file__).parent.parent / "model" / "pretrained" / "en-de"
PAIR = ("en", "de")


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Vocabulary(SHIPPED / "sentencepiece.model"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_finds_its_example_in_a_sentence(kind: Kind) -> None:
    for around in ("{}", "See {} now.", "({0}, {0})"):
        found = find(around.format(kind.example))
        if kind.name == "emoticon" and around[0] == "(":
            continue
        assert {(one.kind.name, one.text) for one in found} == {(kind.name, kind.example)}, around


def test_ordinary_text_has_no_literals() -> None:
    for text in ('He said: "It\'s (nearly) over!" And so on...', "Grüße - und/oder nicht?"):
        assert not find(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Our BIC is BIC COBADEFFXXX today.", "COBADEFFXXX"),
        ("Pay to SWIFT: DEUTDEFF now.", "DEUTDEFF"),
        ("The key KPZT-ABCD-EFGH-IJKL opens it.", "KPZT-ABCD-EFGH-IJKL"),
        ("ATTENTION PLEASE", None),
        ("The BACK-DOOR-LOCK is open.", None),
    ],
)
def test_codes_of_letters_are_literals(text: str, code: str | None) -> None:
    assert [one.text for one in find(text)] == ([code] if code else [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Use sk-4fTq9ZbbLw02mNcEr7Yx8Kd1 here.", "sk-4fTq9ZbbLw02mNcEr7Yx8Kd1"),
        ("Send QWxhZGRpbjpvcGVuIHNlc2FtZQ== now.", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("Is it eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ?", "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ"),
        ("See 10.1234/abcd.5678, it says.", "10.1234/abcd.5678"),
        ("Call addEventListener first.", "addEventListener"),
        ("Import java.util.regex first.", "java.util.regex"),
        ("At 40.9883, 35.9165 there is a hut.", "40.9883, 35.9165"),
        ("At 56\u00b025'N there is a hut.", "56\u00b025'N"),
        ("He is 6'2\" tall.", "6'2\""),
        ("It is a7:b7:c7:d7:e7:f7: a card.", "a7:b7:c7:d7:e7:f7"),
        ("Drink no C\u2082H\u2085OH at all.", "C\u2082H\u2085OH"),
        ("As E = mc\u00b2 says.", "mc\u00b2"),
        ("By RFC 2119 it must.", "RFC 2119"),
        ("00:11:08: this is it.", "00:11:08"),
        ("Built in MDCCLXXVI by us.", "MDCCLXXVI"),
        ("Rust is Fe2O3, we say.", "Fe2O3"),
        ("Ludwig XIV war ein Sonnenk\u00f6nig.", "XIV"),
        ("Liebe KundInnen und leserInnen!", None),
        ("The iPhone and the eBay shop; CIVIL LAW.", None),
        ("Das Haus\u00b9 hat 50 m\u00b2.", "50"),
    ],
)
def test_codes_are_found_whole(text: str, wanted: str | None) -> None:
    assert [one.text for one in find(text)] == ([wanted] if wanted else [])


CASES = [
    ("It costs $1,000.50.", "Es kostet 1.000,50 Dollar.", None),
    ("It costs $1,000.50.", "Es kostet 1.000.50 Dollar.", "Es kostet 1.000,50 Dollar."),
    ("It has 60000 parts.", "Es hat 6000 Teile.", "Es hat 60000 Teile."),
    ("On 27.12.1986.", "Am 27,1986.", "Am 27.12.1986."),
    ("On 12/27/1986.", "Am 27. Dezember 1986.", None),
    ("At 3 p.m., 12 dogs.", "Um 15 Uhr zwölf Hunde.", None),
    ("At 3:30pm.", "Um 15.30 Uhr.", None),
    ("In the 1980s.", "In den 80er Jahren.", None),
    ("It is -5 °C.", "Es sind 5 °C.", "Es sind -5 °C."),
    ("From 120 to 4500.", "Von 45 bis 120.", ""),
    ("See 3:2 and H2O.", "Siehe 3:2 und H2O.", None),
]


@pytest.mark.parametrize(("source", "target", "wanted"), CASES)
def test_numbers_are_verified_with_the_conventions_of_both_languages(
    source: str, target: str, wanted: str | None
) -> None:
    """None: it is right as it is; "": it is not, and nothing certain can be done."""
    checked = [one for one in find(source) if one.role is Role.CHECKED]
    verdict = verify(checked, source, target, "de")
    assert bool(verdict.missing) == (wanted is not None)
    edits = edits_for(verdict, target, PAIR) if verdict.missing else None
    assert (apply(edits, target) if edits else None) == (wanted or None)


@pytest.mark.parametrize(
    ("source", "target", "missing"),
    [
        ("Sie feiert vom 1. bis 4. Mai ein Fest.", "They celebrate a party on May 4.", ["1"]),
        ("Sie feiert vom 1. bis 4. Mai ein Fest.", "They celebrate from May 1 to May 4.", []),
        ("Sie feiert am 1. Mai ein Fest.", "They celebrate on the first of May.", []),
        ("Er hat 1 Hund.", "He has a dog.", []),
        ("Ein Wert von 1 bis 100.", "A value of up to 100.", ["1"]),
        ("Ein Wert von 1 bis 100.", "A value from one to 100.", []),
    ],
)
def test_an_ordinal_is_not_said_by_an_article(source: str, target: str, missing: list[str]) -> None:
    checked = [one for one in find(source) if one.role is Role.CHECKED]
    assert [one.text for one in verify(checked, source, target, "en").missing] == missing


@pytest.mark.parametrize(
    ("source", "target", "repeated"),
    [
        ("Er fiel auf 2 Dollar und dann auf zehn.", "It fell to 2 dollars and then to $2.", ["2"]),
        ("Er fiel auf 2 Dollar und dann auf zwei.", "It fell to 2 dollars and then to $2.", []),
        ("Es stand 6-6.", "It was 6-6-6.", ["6", "6"]),
        ("Es stand 6-6.", "It was 6-6.", []),
        ("Vor 4,2-3,9 Jahren.", "4.2-3.9 years ago.", []),
        ("Am 27.12.1986.", "On 27.12.1986.", []),
    ],
)
def test_a_number_that_is_said_again_is_told(source: str, target: str, repeated: list[str]) -> None:
    checked = [one for one in find(source) if one.role is Role.CHECKED]
    verdict = verify(checked, source, target, "en")
    assert not verdict.missing
    assert [one.text for one in verdict.repeated] == repeated


def test_a_sign_of_an_amount_is_missed() -> None:
    assert missing_units("It costs $5.", "Es kostet 5.") == ["$"]
    assert not missing_units("It costs $5.", "Es kostet 5 US-Dollar.")


def test_a_code_of_money_is_missed() -> None:
    assert missing_units("It cost EUR 15,000.", "Es kostet 15.000.") == ["EUR"]
    assert not missing_units("It cost EUR 15,000.", "Es kostet 15.000 Euro.")
    assert not missing_units("The EUR is worth 2.", "Er ist 2 wert.")


@pytest.mark.parametrize(
    ("pair", "source", "said", "text", "faults"),
    [
        (("de", "en"), "Es kostet EUR 647.", "It costs 647.", "It costs EUR 647.", ()),
        (PAIR, "It costs EUR 647.", "Es kostet 647.", "Es kostet 647 EUR.", ()),
        (("de", "en"), "Es kostet 100 \u20ac.", "It costs $100.", "It costs \u20ac100.", ()),
        (
            ("de", "en"),
            "Es kostet 100 \u20ac und 5 \u20ac.",
            "It costs 100 \u20ac and $5.",
            "It costs 100 \u20ac and \u20ac5.",
            (),
        ),
        (
            ("de", "en"),
            "Sie hat 3 Hunde und 5 \u20ac.",
            "She has $3 dogs and 5 \u20ac.",
            None,
            ("says $",),
        ),
        (
            PAIR,
            "First $7, then at last $9.",
            "Erst 7 $, dann zuletzt 9.",
            "Erst 7 $, dann zuletzt 9 $.",
            (),
        ),
        (PAIR, "From $7 to $9.", "Von 7 bis 9 $.", "Von 7 bis 9 $.", ()),
        (("de", "en"), "Erst 5 Dollar, dann 3 \u20ac.", "First $5, then 3 \u20ac.", None, ()),
    ],
)
def test_money_stays_of_its_currency(
    preparer: Preparer,
    pair: tuple[str, str],
    source: str,
    said: str,
    text: str | None,
    faults: tuple[str, ...],
) -> None:
    prepared = preparer.prepare(source, pair)
    assert prepared is not None
    restored = prepared.restore(said)
    assert (restored.text, restored.faults) == (text or said, faults)


@pytest.mark.parametrize(
    ("text", "shown", "said", "wanted"),
    [
        ("USE getName FOR IT", "Use getName for it", "Jetzt getname nehmen",
         "JETZT getName NEHMEN"),
        ("ONLY 94.6 GHz ARE ALLOWED", None, "Nur 94,6 ghz sind erlaubt",
         "NUR 94,6 GHz SIND ERLAUBT"),
        ("Python 3.13 IS NOT ALLOWED HERE", None, "Python 3.13 ist hier verboten",
         "Python 3.13 IST HIER VERBOTEN"),
        ("DRIVE 50 km/h ON THIS ROAD", None, "Fahre 50 km/h auf der Stra\u00dfe",
         "FAHRE 50 km/h AUF DER STRASSE"),
    ],
)  # fmt: skip
def test_units_and_codes_do_not_hide_capitals(
    preparer: Preparer, text: str, shown: str | None, said: str, wanted: str
) -> None:
    prepared = preparer.prepare(text, PAIR)
    assert prepared is not None
    assert prepared.casing is Casing.CAPITALS
    assert shown is None or prepared.shown == shown
    assert prepared.restore(said).text == wanted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'615.32' was not found.", "'XA' was not found."),
        ("I love \U0001f355, \U0001f354 and tea.", "I love XA, XB and tea."),
        ("I love tea \U0001f355 \U0001f354.", "I love tea."),
        ("The **{name}** is here.", "The XA is here."),
        ("Save <file> as <output> now.", "Save XA as XB now."),
        ("Save <em>this</em> now.", "Save this now."),
        ("So <b>{name}</b> it is, <i>now</i>.", "So XA it is, now."),
    ],
)
def test_what_stands_as_a_word_is_carried(preparer: Preparer, text: str, shown: str) -> None:
    prepared = preparer.prepare(text, PAIR)
    assert prepared is not None
    assert " ".join(prepared.shown.split()) == shown


def test_a_name_with_accents_is_missed(preparer: Preparer) -> None:
    prepared = preparer.prepare("We met Dvo\u0159\u00e1k there.", PAIR)
    assert prepared is not None
    assert prepared.shown == "We met Dvorak there."
    assert prepared.restore("Wir trafen Dvorak dort.").text == "Wir trafen Dvo\u0159\u00e1k dort."
    assert not prepared.restore("Wir trafen Dvo\u0159\u00e1k dort.").lost
    assert [one.text for one in prepared.restore("Wir trafen ihn.").lost] == ["Dvo\u0159\u00e1k"]


@pytest.mark.parametrize("said", ["Is it capek?", "Is it Capek?"])
def test_a_name_with_accents_gets_its_capital_back(preparer: Preparer, said: str) -> None:
    prepared = preparer.prepare("Ist es \u010capek?", ("de", "en"))
    assert prepared is not None
    assert prepared.restore(said).text == "Is it \u010capek?"


def test_marks_that_combine_are_composed(preparer: Preparer) -> None:
    prepared = preparer.prepare("Der Mu\u0308ller gru\u0308\u00dft.", ("de", "en"))
    assert prepared is not None
    assert prepared.shown == "Der M\u00fcller gr\u00fc\u00dft."
    assert not prepared.floating


def test_a_unit_that_became_another_one_is_told(preparer: Preparer) -> None:
    prepared = preparer.prepare("It used 602 kWh of power.", PAIR)
    assert prepared is not None
    assert prepared.restore("Es brauchte 602 kW Strom.").faults == ("does not say kWh",)
    assert not prepared.restore("Es brauchte 602 kWh Strom.").faults
    assert not prepared.restore("Es brauchte 602 Kilowattstunden.").faults
    assert not prepared.restore("Es brauchte 602kWh Strom.").faults
    prepared = preparer.prepare("NO MORE THAN 874kg HERE", PAIR)
    assert prepared is not None
    assert prepared.restore("Nicht mehr als 874 km hier").faults == ("does not say kg",)


def test_a_unit_in_what_was_carried_is_there(preparer: Preparer) -> None:
    prepared = preparer.prepare("Your code is 512GHz today.", PAIR)
    assert prepared is not None
    assert prepared.shown == "Your code is XA today."
    assert not prepared.restore("Dein Code ist heute XA.").faults


def test_letters_of_every_accent_come_back(preparer: Preparer) -> None:
    prepared = preparer.prepare("We met Nguy\u1ec5n there.", PAIR)
    assert prepared is not None
    assert prepared.restore("Wir trafen Nguyen dort.").text == "Wir trafen Nguy\u1ec5n dort."


@pytest.mark.parametrize(
    "text",
    [
        "Good morning 👏👏👏",
        "********** NOTICE **********",
        "Hello {{user.name}}, your code is ###T01###.",
        "Write to info@example.com or https://example.com/a?b=1 now!",
        "I <b>really</b> like it 😀.",
        "He said 今天 很冷 to Zoë.",
        "PLEASE CALL +49 449 3103957",
    ],
)
def test_what_an_echo_says_becomes_the_source_again(preparer: Preparer, text: str) -> None:
    prepared = preparer.prepare(text, PAIR)
    assert prepared is not None
    assert prepared.has_words
    assert not re.search("[😀👏{}@*<今+]", prepared.shown)
    said = " ".join(prepared.shown.split())
    links = [_link(m.span(), m.span()) for m in re.finditer(r"\w+", said)]
    assert prepared.restore(said, links).text == text


def _link(source: tuple[int, int], target: tuple[int, int]):  # type: ignore[no-untyped-def]
    from tformer.model.translation import Link

    return Link(source, target)


@pytest.mark.parametrize(
    "text",
    [
        "60000",
        "71\u20442",
        "7 1\u20442",
        "1 2 3",
        "DE80 4012 8006 7049 2589 69",
        "5 km",
        "A",
        "今天",
    ],
)
def test_a_text_that_is_only_literals_has_no_words(preparer: Preparer, text: str) -> None:
    prepared = preparer.prepare(text, PAIR)
    assert prepared is not None
    assert not prepared.has_words


def test_a_literal_that_is_said_twice_is_noticed(preparer: Preparer) -> None:
    prepared = preparer.prepare("It is almost 100 years old.", PAIR)
    assert prepared is not None
    restored = prepared.restore("Es ist vor 100 Jahren fast 100 Jahre alt.")
    assert [one.text for one in restored.repeated] == ["100"]
    assert restored.faults == ("says 100 more than once",)


def test_a_literal_that_is_said_again_beside_a_wrong_number_is_noticed(preparer: Preparer) -> None:
    prepared = preparer.prepare("It has a 200 CD4 count and a 500 CD4 count.", PAIR)
    assert prepared is not None
    restored = prepared.restore("Es hat einen Wert von 200 CD4 und 5000 CD4, die CD4.")
    assert restored.text == "Es hat einen Wert von 200 CD4 und 500 CD4, die CD4."
    assert "says CD4 more than once" in restored.faults


@pytest.mark.parametrize(
    ("source", "said", "text"),
    [
        ("The mpeg4 file is old.", "Mpeg4 ist alt.", "mpeg4 ist alt."),
        ("It has H2O in it.", "Es hat h2o in sich.", "Es hat H2O in sich."),
        (
            "The iOS17 phones of 2024.",
            "Die ios17-Telefone von 2024.",
            "Die iOS17-Telefone von 2024.",
        ),
    ],
)
def test_words_with_digits_keep_their_letters(
    source: str, said: str, text: str, preparer: Preparer
) -> None:
    prepared = preparer.prepare(source, PAIR)
    assert prepared is not None
    restored = prepared.restore(said)
    assert (restored.text, restored.faults, restored.lost) == (text, (), ())


def test_a_lost_literal_is_told_and_put_in(preparer: Preparer) -> None:
    prepared = preparer.prepare("Look at example.com and go.", PAIR)
    assert prepared is not None
    restored = prepared.restore("Schau und geh.")
    assert [one.text for one in restored.lost] == ["example.com"]
    assert "example.com" in prepared.put_in(restored)


@pytest.mark.parametrize(
    ("text", "pair", "shown"),
    [
        ("WIR DANKEN F\u00dcR IHREN BESUCH", ("de", "en"), "Wir danken f\u00fcr Ihren Besuch"),
        ("T\u00dcR SCHLIESSEN!", ("de", "en"), "T\u00fcr schlie\u00dfen!"),
        ("DIE GROSSE STRASSE", ("de", "en"), "Die gro\u00dfe Stra\u00dfe"),
        ("HUNDE AN DER LEINE F\u00dcHREN", ("de", "en"), "Hunde an der leine f\u00fchren"),
        ("MITTEILUNG AN ALLE", ("de", "en"), "Mitteilung an alle"),
        ("RUFEN SIE UNS AN", ("de", "en"), "Rufen Sie uns an"),
        ("FRAGEN?", ("de", "en"), "Fragen?"),
        ("NASA", ("de", "en"), "NASA"),
        ("THE US AND US", ("en", "de"), "The US and us"),
    ],
)
def test_capitals_are_read_as_they_are_usually_written(
    preparer: Preparer, text: str, pair: tuple[str, str], shown: str
) -> None:
    prepared = preparer.prepare(text, pair)
    assert (prepared.shown if prepared else text) == shown


def test_names_of_few_letters_do_not_make_a_text_in_capitals(preparer: Preparer) -> None:
    prepared = preparer.prepare("NASA, USA and EU, UN!", PAIR)
    assert prepared is None or prepared.casing is Casing.USUAL


def test_capitals_are_shown_small_and_come_back(preparer: Preparer) -> None:
    prepared = preparer.prepare("PLEASE DO NOT WALK ON THE GRASS", PAIR)
    assert prepared is not None
    assert prepared.casing is Casing.CAPITALS
    assert prepared.shown == "Please do not walk on the grass"
    assert prepared.restore("Nicht auf dem Gras").text == "NICHT AUF DEM GRAS"


def test_languages_are_told_as_people_name_them() -> None:
    assert [code_of(n) for n in ("EN", "German", "de_at", "deu", "AI")] == [
        "en", "de", "de-AT", "de", None,
    ]  # fmt: skip
    assert nearest("de-DE", PAIR) == "de"


def test_a_sentence_in_another_language_is_told() -> None:
    assert found_language("Das ist ein schönes Haus.", "en", "de", PAIR) == "de"
    assert found_language("Le chat est sur la table dans la cuisine.", "en", "de", PAIR) == "fr"
    assert found_language("The house is very beautiful.", "en", "de", PAIR) == "en"
    assert found_language("Peter Offenbach", "en", "de", PAIR) == "en"
    assert speaks_target("Das ist ein Haus und nicht rot.", "en", "de")
    assert not speaks_target("Das Boot is a film that I have not seen.", "en", "de")
    assert not speaks_target("Le chat est sur la table dans la cuisine.", "en", "de")


ENGLISH = (
    "Mr. Mrs. Dr. Prof. Gen. Col. Sgt. Capt. Rep. Sen. Gov. approx. incl. vs. e.g. i.e. vol. fig. "
    "no. pp."
)
GERMAN = (
    "Hr. Fr. Dr. Prof. Bd. Nr. Abb. Abs. Kap. Aufl. Hrsg. ca. bzw. vgl. evtl. ggf. inkl. sog. Str. "
    "Tab."
)
BEHIND = [
    "{} 3 there",
    "{} 12 of it",
    "({} 5)",
    "{} 7, and",
    "is {} 4",
    "{} 2-3",
    "{} 1: x",
    "{} 99",
    "{} 8; y",
    "{} 6 x",
]


@pytest.mark.parametrize(("language", "words"), [("en", ENGLISH), ("de", GERMAN)])
def test_abbreviations_do_not_end_sentences(language: str, words: str) -> None:
    """Of twenty abbreviations in ten surroundings each."""
    cut = [
        text
        for word in words.split()
        for around in BEHIND
        if len(split(text := f"See {around.format(word)} there.", language)) != 1
    ]
    assert not cut


@pytest.mark.parametrize(
    ("language", "text", "pieces"),
    [
        ("en", "I like C++ and .NET and a.b.", 1),
        ("de", "Das Buch, 2. Aufl., Bd. 3, Hrsg. Müller, erschien 1999.", 1),
        ("de", "Dipl.-Ing. Weber und Dr.-Ing. Huber kamen.", 1),
        ("en", "He said no. Then he left.", 2),
        ("de", "Er kam um 5 Uhr. Dann ging er.", 2),
        ("en", "A\tB\tThe house is red.", 3),
        ("en", "Call +49 (0) 30 123-45 or +49 (0) 30 123-46 now", 1),
    ],
)
def test_sentences(language: str, text: str, pieces: int) -> None:
    found = split(text, language)
    assert len(found) == pieces
    assert "".join(piece.text + piece.separator for piece in found) == text
