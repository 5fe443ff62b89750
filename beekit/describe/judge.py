"""Judging a model's answer: it becomes one clean paragraph, or is refused for a reason."""

from __future__ import annotations

import re
from typing import NamedTuple

from beekit.describe.chat import Reply
from beekit.describe.refusals import is_field, is_refusal, opens_with_field

# Reasons why an item gets no description.
EMPTY = "empty"
REFUSAL = "refusal"
ECHO = "echo"
CUT_OFF = "cut off"

_LIST_MARK = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+", re.MULTILINE)
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)|\A.*?</think>", re.DOTALL)
_KIND = r"(?:descriptions?|paragraphs?|summary|overview|blurb|write-?up|text|answer)"
_HERE = (
    r"(?:(?:sure|certainly|of course|absolutely|okay|ok|great)\b(?: thing)?[!,.]*\s+)?"
    r"(?:here(?:'s|\s+is|\s+are)|below\s+is|this\s+is|the\s+following\s+is)\b"
)
# An announcement is on a line of its own, where it may contain any title, or before the paragraph
# on the same line. There, after "text" or "answer", only words such as "you asked for" may follow.
_PREAMBLE = re.compile(
    rf"\A{_HERE}(?:[^\n]{{0,60}}\b{_KIND}\b[^\n]{{0,200}}:[*_\s]*\n\s*"
    rf"|[^:.!?\n]{{0,60}}\b(?!text|answer){_KIND}\b[^:.!?\n]{{0,120}}:\s*"
    r"|[^:.!?\n]{0,60}\b(?:text|answer)(?: (?:that )?you [^:.!?\n]{0,60})?:\s*)",
    re.IGNORECASE,
)
# "I'm happy to help, but the text is in Arabic. I'll do my best. Here's a summary:"
_HESITATION = re.compile(
    r"\A(?:i'm|i am|i'd|i'll|i think|it seems|it looks|it appears)\b.{0,600}?"
    rf"\b(?:{_HERE}[^:\n]{{0,60}}|(?:a|my) possible )\b{_KIND}\b[^:\n]{{0,120}}:[*_\s]*\n\s*",
    re.IGNORECASE | re.DOTALL,
)
_COURTESY = re.compile(
    r"\A(?:sure|certainly|of course|absolutely|okay|ok|great)(?: thing)?"
    # Not in "OK! a magazine", where "OK!" is a name: a new sentence would begin with a capital.
    r"(?:[!,.:](?:\s+(?:i|i'd|i'm|let|happy)\b[^\n]{0,100})?\s*\n|!\s(?!\s*(?-i:[a-zà-ÿ])))\s*",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"\A[#*_\s]*(?:(?:item|product|book|movie|film|game)\s+)?{_KIND}\s*[*_]*:[*_]*\s*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\n\s*(?:let me know\b|i hope (?:this|that|it)\b|is there anything\b|feel free to\b"
    r"|would you like (?:me|any)\b|if you(?:'d| would) like)[^\n]*\Z",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^#{1,6}\s+", re.MULTILINE)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_QUOTES = {'"': '"', "“": "”", "«": "»", "*": "*"}
_NOTHING = frozenset({"", "na", "none", "null", "nil", "unknown", "undefined"})
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s|\Z)|[。！？][」』”]*")


class Judged(NamedTuple):
    """The description in an answer, or the reason why there is none: one of those above, or the
    server's message. `trimmed` means that the answer was cut off and ends at its last complete
    sentence."""

    text: str
    reason: str = ""
    trimmed: bool = False


def judge(reply: Reply, question: str, fields: str) -> Judged:
    """The description in a reply, or the reason why there is none.

    An answer that reached the token limit keeps its complete sentences; if it has none, it is
    refused (`CUT_OFF`). Refusals are recognised in English only, by the beginnings of sentences. An
    answer that only repeats a part of the question is an `ECHO`.

    Args:
        reply: the reply of the model.
        question: the question.
        fields: the item's fields in the question. Words that an answer takes from there, for
            example a title, are never read as a refusal, a label or a courtesy.
    """
    if reply.problem:
        return Judged("", reply.problem)
    repeated = bool(question) and question in reply.text
    text = clean(reply.text.replace(question, " ") if repeated else reply.text, fields)
    if re.sub(r"[\W_]+", "", text).casefold() in _NOTHING:
        return Judged("", ECHO if repeated else EMPTY)
    whole = text
    if reply.cut_off:
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        whole = text[: ends[-1]] if ends else ""
    if is_refusal(text, fields) or is_refusal(whole, fields):
        return Judged("", REFUSAL)
    if text in " ".join(question.split()):
        return Judged("", ECHO)
    return Judged(whole, trimmed=reply.cut_off) if whole else Judged("", CUT_OFF)


def clean(text: str, fields: str = "") -> str:
    """The paragraph of an answer on one line; cleaning it again changes nothing.

    Removed are: thoughts of reasoning models, courtesies and announcements before the paragraph
    ("Sure! Here is a description of the book:"), labels ("Description:"), offers after it, marks of
    lists, headings and bold type, enclosing quotation marks, and control characters. Labels and
    courtesies are kept if the item's fields contain them, for example as a title.
    """
    while (step := _clean_once(text, fields)) != text:
        text = step
    return text


def _clean_once(text: str, fields: str) -> str:
    # Half of a surrogate pair cannot be written as UTF-8, and control characters have no meaning.
    text = text.encode("utf-8", "ignore").decode("utf-8")
    text = re.sub(r"[\x00-\x08\x0e-\x1f\x7f\ufeff]", "", text)
    text = _THOUGHTS.sub("", text).strip()
    straight = text.replace("’", "'")  # of the same length, so positions are the same
    for opening in (_PREAMBLE, _HESITATION, _COURTESY, _LABEL):
        match = opening.match(straight)
        if match and not (opening in (_COURTESY, _LABEL) and _is_named(text, match, fields)):
            return text[match.end() :].strip()
    if match := _CLOSING.search(straight):
        return text[: match.start()].strip()
    if len(_LIST_MARK.findall(text)) > 1:
        text = _LIST_MARK.sub("", text)
    text = _BOLD.sub(r"\1", _HEADING.sub("", text))
    for left, right in _QUOTES.items():
        inside = text[1:-1]
        enclosed = len(text) > 1 and text[0] == left and text[-1] == right
        if enclosed and left not in inside and right not in inside:
            return inside.strip()
    return " ".join(text.split())


def _is_named(text: str, opening: re.Match[str], fields: str) -> bool:
    """Whether a seeming label or courtesy comes from the item's fields."""
    return opens_with_field(text, fields) or is_field(opening.group().strip(" \n#*_:"), fields)
