"""What becomes of answers, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.prepare.chat import Reply
from beekit.prepare.describe_answers import CUT_OFF, ECHO, EMPTY, REFUSAL, clean, is_refusal, judge

PLAIN = "Dune is a novel about a desert planet. Readers of long sagas choose it."
QUESTION = "What is known:\n\nDune. Frank Herbert.\n\nWrite one paragraph."


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
    judged = judge(Reply(answer), QUESTION)
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
    ],
)
def test_a_description_stays_as_it_is(answer):
    judged = judge(Reply(answer), QUESTION)
    assert (judged.text, judged.reason) == (answer, "")


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
    ],
)
def test_a_refusal_is_recognised_by_how_it_begins(answer):
    judged = judge(Reply(answer), QUESTION)
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
    assert judge(Reply(answer), QUESTION).reason == reason


def test_an_answer_that_was_cut_off_ends_at_its_last_whole_sentence():
    judged = judge(Reply(f"{PLAIN} It is also", cut_off=True), QUESTION)
    assert (judged.text, judged.trimmed) == (PLAIN, True)
    assert judge(Reply('She said "Go!" and then', cut_off=True), "").text == 'She said "Go!"'
    assert judge(Reply("小さな机。一人", cut_off=True), "").text == "小さな机。"


def test_an_answer_cut_off_in_its_first_sentence_is_none():
    judged = judge(Reply("A 3.5 inch drive for", cut_off=True), QUESTION)
    assert (judged.text, judged.reason) == ("", CUT_OFF)


def test_what_the_server_says_is_the_reason():
    assert judge(Reply("half", problem="content filter"), "").reason == "content filter"


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
    once = clean(answer)
    assert clean(once) == once
    assert once == " ".join(once.split())
    once.encode("utf-8")


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=40)), st.booleans())
def test_every_answer_has_a_description_or_a_reason_and_never_both(answer, cut_off):
    judged = judge(Reply(answer, cut_off), QUESTION)
    assert bool(judged.text) != bool(judged.reason)
    assert not is_refusal(judged.text)
