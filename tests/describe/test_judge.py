"""What becomes of answers, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.describe.chat import Reply
from beekit.describe.judge import CUT_OFF, ECHO, EMPTY, REFUSAL, clean, judge
from beekit.describe.refusals import is_refusal

PLAIN = "Dune is a novel about a desert planet. Readers of long sagas choose it."
FIELDS = "Dune. Frank Herbert."
QUESTION = f"What is known:\n\n{FIELDS}\n\nWrite one paragraph."


@pytest.mark.parametrize(
    "answer",
    [
        PLAIN,
        f"  {PLAIN}\n",
        PLAIN.replace(". ", ".\n\n"),
        f"Here is a description of the book:\n\n{PLAIN}",
        f"Here's a one-paragraph description:\n{PLAIN}",
        f"Here’s the paragraph you asked for: {PLAIN}",
        f"Sure! Here is the description: {PLAIN}",
        f"Sure, here is a short summary of the item:\n{PLAIN}",
        f'Here\'s a one-paragraph summary of "Who? Me: A Life." by A. N. Author:\n\n{PLAIN}',
        f"I'm happy to help, but the text is in Arabic. I'll try.\n\nHere's a summary:\n\n{PLAIN}",
        f"Certainly! {PLAIN}",
        f"Of course! I'd be happy to help.\n\n{PLAIN}",
        f"Below is the paragraph:\n{PLAIN}",
        f"**Description:** {PLAIN}",
        f"Description: {PLAIN}",
        f"### Book description:\n{PLAIN}",
        f'"{PLAIN}"',
        f"“{PLAIN}”",
        PLAIN.replace("Dune", "**Dune**"),
        f"{PLAIN}\n\nLet me know if you'd like another one!",
        f"{PLAIN}\n\nI hope this helps.",
        f"<think>The user wants a paragraph.</think>\n\n{PLAIN}",
        f"The user wants a paragraph.\n</think>\n{PLAIN}",
        f'Sure! Here is the description:\n\n"{PLAIN}"\n\nIs there anything else?',
        "- Dune is a novel about a desert planet.\n- Readers of long sagas choose it.",
        "1. Dune is a novel about a desert planet.\n2. Readers of long sagas choose it.",
        f"{QUESTION}\n\n{PLAIN}",
        f"\ud83d{PLAIN}\x00",
    ],
)
def test_what_surrounds_the_paragraph_is_taken_away(answer):
    judged = judge(Reply(answer), QUESTION, FIELDS)
    assert (judged.text, judged.reason) == (PLAIN, "")


@pytest.mark.parametrize(
    "answer",
    [
        "Here Is New York: a portrait of a city by one who loved it.",
        "Great Expectations follows an orphan.",
        "Sure Thing is a short play about a first meeting.",
        "1984 is a novel about a state that watches.",
        "1. FC Köln is a football club.",
        'The hero says "I can\'t" and leaves.',
        "I, Robot is a collection of stories.",
        "As an AI thriller, this film keeps up its pace.",
        "Sorry, Wrong Number is a film about a call that was not meant to be heard.",
        "I'm Sorry I Haven't a Clue is a radio show of silly games.",
        "I Can't Stop Loving You is a song about memories.",
        "No information is kept from readers of this thriller.",
        "Unfortunately, the hero of this story cannot help himself, which readers enjoy.",
        "A printer for small offices; it can’t print on both sides.",
        "“Dune” is a novel, and so is “Emma”.",
        "小さな机。一人用です。",
        # Of a title the fields do not have as the answer writes it.
        "Sorry, Wrong Number is a 1948 film noir about a woman who cannot convince anyone.",
        "Sorry to Bother You follows a man who can't afford rent in a city like his.",
        "Can You Tell Me How to Get to Sesame Street is a special for children.",
        "Please Tell Me More, Ms. Green! is a picture book about a class.",
        "I Won't Give Up is a song offering hope.",
        "No Data Available is a techno-thriller.",
        "I Can't Complain is a memoir offering wit.",
        "I Can't Help Falling in Love is a song.",
        "I Need You is a song, the title of which says all.",
        "I Have No Mouth, and I Must Scream is a story of the last five people.",
        "I Don't Know How She Does It is a novel about a mother at work.",
        "It seems there is something missing in the life of Anna, a nurse.",
        "Given its size, this printer can't be faulted.",
        "Can you give up a life at sea for love? This novel asks its readers.",
        "There is some confusion when the twins meet. A comedy for all.",
        "A plain white mug. No further details, and none needed.",
        "A tea of mountain leaves. The taste of it cannot be described.",
        "A lamp for the desk. The item is unavailable in black.",
        "This is the answer to everything: 42.",
        "OK! a magazine for those who follow the famous.",
    ],
)
def test_a_description_stays_as_it_is(answer):
    judged = judge(Reply(answer), QUESTION, FIELDS)
    assert (judged.text, judged.reason) == (answer, "")


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ("Text. Dmitry Glukhovsky", "Text: a novel of two lives in one phone."),
        ("Title: Text by D. G.", "Text: a novel of two lives in one phone."),
        ("OK! Magazine. Weekly", "OK! Magazine is for those who follow the famous."),
        ("Sure! A Guide", "Sure! A guide to saying yes."),
        ("I Can't Write Left-Handed. Bill Withers", "“I Can't Write Left-Handed” is a song."),
        ("I Can’t Find My Way Home", "I Can't Find My Way Home is a song."),
        ("Can You Tell Me How to Get There?. TV", "Can You Tell Me How to Get There? is a quiz."),
        ("As an AI, I Dream. Novel", "As an AI, I Dream is told by a machine."),
        ("(I Cannot Provide) for Three. Novel", "A novel. I Cannot Provide for Three is its name."),
        ("No Description Available", "No Description Available. A show of unnamed paintings."),
    ],
)
def test_what_stands_in_the_fields_is_no_refusal_label_or_courtesy(fields, answer):
    judged = judge(Reply(answer), f"About {fields}?", fields)
    assert (judged.text, judged.reason) == (answer, "")
    other = judge(Reply(answer), QUESTION, FIELDS)  # the fields decide, and nothing else
    assert other.text != answer


@pytest.mark.parametrize(
    ("fields", "answer", "text"),
    [
        ("Title: Dune. Description: A planet", "Description: A desert world.", "A desert world."),
        ("Great Expectations", "Great! Great Expectations is long.", "Great Expectations is long."),
        ("I Can't", "I can't help with that.", ""),
        ("Sorry. Justin Bieber", "Sorry, I can't describe this.", ""),
        ("I'm Sorry. Brenda Lee", "I'm sorry, but I cannot help.", ""),
    ],
)
def test_titles_like_a_refusal_label_or_courtesy_excuse_no_other(fields, answer, text):
    assert judge(Reply(answer), f"About {fields}?", fields).text == text


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t assist with that request.",
        "I am very sorry, I cannot write about this.",
        "Sorry, I can't describe this item.",
        "I apologize, but I am unable to provide a description.",
        "I'm afraid I don't have information on this book.",
        "I cannot provide a description of this product.",
        "I can't create content of this kind.",
        "I can not write that.",
        "I won't generate this.",
        "I'm unable to find details about it.",
        "I am not able to describe explicit content.",
        "I'm not able to help.",
        "I do not have enough information about this item.",
        "I don't feel comfortable describing it.",
        "Unfortunately, I cannot fulfill this request.",
        "Unfortunately, I don't have any information about this book.",
        "As an AI language model, I do not read books.",
        "As an AI, I can't have opinions.",
        "As a large language model I cannot judge.",
        "I'm just an AI, it's not within my programming.",
        "I am a language model and know no such book.",
        "There is not enough information to describe this item.",
        "Insufficient information provided.",
        "I'm happy to help, but I have to inform you that the text appears to be in Arabic.",
        "I think there may be some confusion! This is no product, but a book.",
        "Could you please provide more details?",
        "Please provide the title of the book.",
        "It seems you didn't provide the fields of the item.",
        "It looks like the information is incomplete.",
        "\"I'm sorry, but I can't help with that.\"",
        "Sure! Here is the description: I'm sorry, I can't write it.",
        "I'm sorry, but there is no information available about this item.",
        "I have no information about this book.",
        "I'm not familiar with this book.",
        "Hello! I'm sorry, but I cannot help with that.",
        "Unable to provide a description for this item.",
        "No description available.",
        "No information is available for this product.",
        "Based on the information provided, I cannot write a paragraph.",
        "Without more information, I can't describe this.",
        "I was unable to find any information about it.",
        "I'd be happy to help! However, I need more information.",
        "Sorry, but the request violates our policy.",
        "I am currently unable to describe it, and will not guess.",
        "I won't be able to provide a description.",
        "I'm afraid that I don't know this book.",
        "I understand you want a description, but I can't provide one.",
        "Could you tell me a bit about the item?",
        "Dune is a book. I have no further information about its plot.",
        "I'd be glad to help! " + f"However, I need more information about it. {PLAIN} " * 4,
    ],
)
def test_a_refusal_is_recognised_by_how_it_begins(answer):
    judged = judge(Reply(answer), QUESTION, FIELDS)
    assert (judged.text, judged.reason) == ("", REFUSAL)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", EMPTY),
        (" \n\t", EMPTY),
        ("...", EMPTY),
        ("N/A", EMPTY),
        ("None.", EMPTY),
        ("Here is a description of the book:", EMPTY),
        ("<think>I wonder what", EMPTY),
        (QUESTION, ECHO),
        ("Dune. Frank Herbert.", ECHO),
        ("Write one paragraph.", ECHO),
    ],
)
def test_an_answer_that_says_nothing_has_a_reason(answer, reason):
    assert judge(Reply(answer), QUESTION, FIELDS).reason == reason


def test_an_answer_that_was_cut_off_ends_at_its_last_whole_sentence():
    judged = judge(Reply(f"{PLAIN} It is also", cut_off=True), QUESTION, FIELDS)
    assert (judged.text, judged.trimmed) == (PLAIN, True)
    assert judge(Reply('She said "Go!" and then', cut_off=True), "", "").text == 'She said "Go!"'
    assert judge(Reply("小さな机。一人", cut_off=True), "", "").text == "小さな机。"


def test_a_refusal_that_was_cut_off_is_one():
    judged = judge(Reply("I'm sorry, but I cannot describe", cut_off=True), QUESTION, FIELDS)
    assert (judged.text, judged.reason) == ("", REFUSAL)
    # Only what is left of it is short enough to be looked at sentence by sentence.
    long = f"{PLAIN} I cannot provide more. And {'so ' * 60}"
    assert judge(Reply(long, cut_off=True), QUESTION, FIELDS).reason == REFUSAL


def test_in_a_long_answer_the_beginning_counts():
    assert judge(Reply(f"{PLAIN} " * 4 + "I cannot provide more."), QUESTION, FIELDS).text


def test_an_answer_cut_off_in_its_first_sentence_is_none():
    judged = judge(Reply("A 3.5 inch drive for", cut_off=True), QUESTION, FIELDS)
    assert (judged.text, judged.reason) == ("", CUT_OFF)


def test_what_the_server_says_is_the_reason():
    assert judge(Reply("half", problem="content filter"), "", "").reason == "content filter"


PIECES = st.sampled_from(
    [
        *(
            "Sure! ",
            "Here is a description: ",
            "Description:",
            "**",
            "*",
            '"',
            "“",
            "”",
            "\n",
            "- ",
        ),
        *(
            "1. ",
            "# ",
            "<think>",
            "</think>",
            "Let me know",
            "\n\nI hope this helps",
            " ",
            "\ud83d",
        ),
        *("Dune", ".", "I can't help", ":", "\u2028", "’", "'", "\x00", "a"),
    ]
)


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=40)))
def test_cleaning_twice_is_cleaning_once(answer):
    for fields in ("", "Sure! Description. Dune I can't", answer):
        once = clean(answer, fields)
        assert clean(once, fields) == once
        assert once == " ".join(once.split())
        once.encode("utf-8")


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=40)), st.booleans())
def test_every_answer_has_a_description_or_a_reason_and_never_both(answer, cut_off):
    judged = judge(Reply(answer, cut_off), QUESTION, FIELDS)
    assert bool(judged.text) != bool(judged.reason)
    assert not is_refusal(judged.text, FIELDS)
