"""What a language model wrote about an item: one clean paragraph, or the reason there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from beekit.prepare.chat import Reply

# Reasons for which an item stays without description.
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
# On a line of its own, where it may name any title, or before the paragraph on the same line.
_PREAMBLE = re.compile(
    rf"\A{_HERE}(?:[^\n]{{0,60}}\b{_KIND}\b[^\n]{{0,200}}:[*_\s]*\n\s*"
    rf"|[^:.!?\n]{{0,60}}\b{_KIND}\b[^:.!?\n]{{0,120}}:\s*)",
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
    r"(?:[!,.:](?:\s+(?:i|i'd|i'm|let|happy)\b[^\n]{0,100})?\s*\n|!\s)\s*",
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

# Refusals begin an answer; "I can't" within a plot is none.
_CANNOT = (
    r"(?:can'?t|cannot|can not|couldn'?t|could not|won'?t|will not|unable|not able|must decline"
    r"|(?:don'?t|do not) (?:have|feel|know))"
)
_ABOUT = (
    r"(?:help|assist|provide|writ|creat|generat|describ|fulfil|comply|complet|continu|discuss"
    r"|engag|produc|offer|giv|do (?:that|this)|answer|find|identif|summari|recommend|verif"
    r"|determin|comfortable|information|details|access|knowledge|enough|be able)"
)
_AI = r"an? (?:ai|artificial intelligence|(?:large )?language model|assistant)"
_REFUSALS = re.compile(
    r"\W*(?:"
    rf"(?:i'?m|i am)(?: \w+)? (?:sorry|afraid)\b[^.!?]{{0,120}}\b{_CANNOT}\b"
    rf"|(?:i )?(?:apologi[sz]e|apologies|sorry)\b[^.!?]{{0,120}}\b{_CANNOT}\b"
    rf"|as {_AI}\b[^.,!?]{{0,40}},? i\b"
    rf"|(?:i'?m|i am) (?:just |only )?{_AI}\b"
    rf"|(?:unfortunately,? |however,? )?i (?:am |'m )?{_CANNOT}\b[^.!?]{{0,40}}\b{_ABOUT}"
    rf"|(?:unfortunately,? )?i'm {_CANNOT}\b[^.!?]{{0,40}}\b{_ABOUT}"
    r"|(?:unfortunately,? )?(?:there (?:is|was|isn'?t) )?(?:not enough|insufficient|no|enough)"
    r" (?:information|details?|data)\b[^.!?]{0,40}\b(?:provided|available|given|to )"
    r"|(?:i'm|i am|i'd be|i would be) (?:happy|glad) to (?:help|assist)\b[^.!?]{0,20}\bbut\b"
    r"|i think there (?:may|might|must) be (?:some|a) (?:confusion|mistake|misunderstanding)\b"
    r"|(?:could you |can you |please )(?:please )?(?:provide|share|tell me|clarify)\b"
    r"|it (?:seems|looks|appears)(?: like| that)? (?:you|there|the (?:item|information|input|text))"
    r"\b[^.!?]{0,60}\b(?:missing|not provided|incomplete|no information|didn'?t|did not|haven'?t)\b"
    r")",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Judged:
    """An answer, read.

    Attributes:
        text: the description; "" where there is none.
        reason: why there is none: `EMPTY`, `REFUSAL`, `ECHO`, `CUT_OFF`, or what the model's
            server said.
        trimmed: the answer was cut off, and ends at its last whole sentence.
    """

    text: str
    reason: str = ""
    trimmed: bool = False


def judge(reply: Reply, question: str) -> Judged:
    """The description in a reply, or why there is none.

    An answer that reached the token limit keeps its whole sentences; one without any is refused
    (`CUT_OFF`). Refusals are recognised in English only, by how an answer begins. An answer that
    only repeats part of the question is an `ECHO`.
    """
    if reply.problem:
        return Judged("", reply.problem)
    repeated = bool(question) and question in reply.text
    text = clean(reply.text.replace(question, " ") if repeated else reply.text)
    if re.sub(r"[\W_]+", "", text).casefold() in _NOTHING:
        return Judged("", ECHO if repeated else EMPTY)
    if is_refusal(text):
        return Judged("", REFUSAL)
    if text in " ".join(question.split()):
        return Judged("", ECHO)
    if not reply.cut_off:
        return Judged(text)
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return Judged(text[: ends[-1]], trimmed=True) if ends else Judged("", CUT_OFF)


def is_refusal(text: str) -> bool:
    """Whether an answer begins as refusals do: "I'm sorry, but I can't ...", "As an AI, I ..."."""
    return _REFUSALS.match(text.replace("’", "'")) is not None


def clean(text: str) -> str:
    """One paragraph on one line, without what surrounds it; cleaning it again changes nothing.

    Taken away: thoughts of reasoning models, courtesies and announcements before the paragraph
    ("Sure! Here is a description of the book:"), labels ("Description:"), offers after it, list
    marks, headings' and bold type's marks, enclosing quotation marks, and signs that are no text.
    """
    while (step := _clean_once(text)) != text:
        text = step
    return text


def _clean_once(text: str) -> str:
    # Half a surrogate pair has no UTF-8, and control characters no meaning.
    text = text.encode("utf-8", "ignore").decode("utf-8")
    text = re.sub(r"[\x00-\x08\x0e-\x1f\x7f\ufeff]", "", text)
    text = _THOUGHTS.sub("", text).strip()
    straight = text.replace("’", "'")  # as long as the text, so that positions agree
    for opening in (_PREAMBLE, _HESITATION, _COURTESY, _LABEL):
        if match := opening.match(straight):
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
