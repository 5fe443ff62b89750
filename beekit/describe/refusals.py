"""Recognising that a language model refuses to describe an item, in English only."""

from __future__ import annotations

import re

_LONGEST = 1000  # only this many characters of an answer are searched
_SHORT = 200  # in answers up to this length, any sentence may be a refusal
_SENTENCE_START = re.compile(r"(?<=[.!?\n])\W+(?=\w)")

_WE = r"(?:i|we)"
_ADVERBS = r"(?:(?:\w+ly|just|also|yet|even|in good conscience|be able to|and will not) )*"
_CANNOT = (
    r"(?:can'?t|cannot|can not|couldn'?t|could not|won'?t|will not|wouldn'?t"
    r"|(?:(?:am|are|was|were)|'m|'re)? ?(?:\w+ly )?(?:unable|not (?:able|allowed|permitted)) to)"
)
_DESCRIBE = (
    r"(?:help(?:(?= (?:you|with|here)\b)|(?=\W*(?:\Z|[.,;!?])))|assist|provid|writ(?:e|ing)|creat"
    r"|generat|describ|fulfil|comply|complet|continu|discuss|engag|produc|offer|answer|find"
    r"|identif|locat|summari|recommend|verif|determin|access|do (?:that|this)"
    r"|(?:give|share|tell|say|make) (?:you|an?|any|more|anything|the))"
)
_KNOWLEDGE = r"(?:information|info|details?|data|descriptions?|knowledge|access|context|records?)"
_NONE = r"(?:no|not enough|insufficient|not sufficient|too little|very little)"
_MISSING = r"(?:missing|incomplete|insufficient|unavailable|not (?:provided|given|enough|clear))"
_ITEM = r"(?:item|product|book|movie|film|show|game|song|album|title|author|entry|subject|it)"
_AI = r"an? (?:ai|artificial intelligence|(?:large )?language model|assistant)"
_SORRY = (
    r"(?:(?:i'm|i am|we're|we are)(?: \w+)? (?:sorry|afraid)|(?:i|we) (?:\w+ )?apologi[sz]e"
    r"|(?:my )?apologies|sorry)\b"
    r"(?: (?:for|about) (?:the|any|that|this)\b[^.,!?]{0,60}| to (?:say|hear|inform|tell)\b)?"
)


# For each way to refuse an example, and the pattern of the beginning of such sentences.
REFUSALS = {
    "I cannot provide a description of this product.": rf"{_WE} ?{_CANNOT} {_ADVERBS}{_DESCRIBE}",
    "Unable to provide a description for this item.": (
        rf"(?:unable to|not able to|cannot|can not|could not) {_ADVERBS}{_DESCRIBE}"
    ),
    "I must respectfully decline.": (
        rf"{_WE} (?:must|have to|need to|will have to) (?:\w+ly )?(?:decline|refuse)\b"
    ),
    "I don't feel comfortable describing it.": (
        rf"{_WE} ?(?:(?:don't|do not) feel|'m not|am not) comfortable\b"
    ),
    "I do not have enough information about this item.": (
        rf"{_WE} (?:don't|do not|didn't|did not|haven't|have not) (?:\w+ly )?"
        rf"(?:have|find|found|got)\b[^.!?]{{0,60}}\b{_KNOWLEDGE}\b"
    ),
    "I have no information about this book.": (
        rf"{_WE} (?:\w+ly )?(?:(?:have|had|know|found|find) "
        rf"(?:nothing (?:about|of|on)\b|{_NONE}\b[^.!?]{{0,40}}\b{_KNOWLEDGE}\b)"
        rf"|lack [^.!?]{{0,40}}\b{_KNOWLEDGE}\b)"
    ),
    "I don't know this book.": (
        rf"{_WE} (?:don't|do not) (?:\w+ly )?(?:know|recogni[sz]e) (?:of |about )?"
        rf"(?:this\b|any\b|anything\b|enough\b|much\b|the {_ITEM}\b)"
    ),
    "I'm not familiar with this book.": (
        rf"{_WE} ?(?:'m|am|'re|are) (?:\w+ly )?(?:not |un)(?:\w+ly )?"
        r"(?:familiar|aware|acquainted)\b"
    ),
    "I have not heard of this author.": (
        rf"{_WE} (?:haven't|have not|have never) (?:heard of|come across|read|seen)"
        rf" (?:this|the {_ITEM})\b"
    ),
    "As an AI, I can't.": rf"as {_AI}\b[^.,!?]{{0,40}},? (?:i|my)\b",
    "I'm just an AI.": rf"{_WE} ?(?:'m|am) (?:just |only )?{_AI}\b",
    "No description available.": (
        rf"{_NONE} {_KNOWLEDGE}\W*\Z"
        rf"|(?:there (?:is|was|are|were) )?{_NONE}(?: [\w-]+){{0,2}}? {_KNOWLEDGE}"
        rf"(?: (?:about|on|for|of) (?:this |the |that )?(?:\w+ )?{_ITEM})?"
        r"(?: (?:is|was|are|were|has been|have been|\w+ly))*"
        rf"(?: to {_DESCRIBE}| (?:available|provided|given|known|found|exists?)"
        r"(?=\W*\Z|[.,;:!?]| (?:about|for|on|of|in|to|from|here|regarding|at)\b))"
    ),
    "There is no information about this item.": (
        rf"there (?:is|was|are|isn't|aren't|is not)(?: {_NONE}| enough| any| sufficient)"
        rf"(?: [\w-]+){{0,2}}? {_KNOWLEDGE}"
        r"(?=\W*\Z|[.,;:!?]| (?:available|provided|given|about|for|on|to|regarding)\b)"
    ),
    "A description cannot be provided.": (
        r"(?:an?|the|this|that) (?:\w+ )?(?:description|paragraph|summary|answer|request|item) "
        r"(?:cannot|can'?t|could not) be "
        r"(?:provided|written|generated|described|created|given)\b"
    ),
    "It is impossible to write a description.": (
        r"it(?:'s| is) (?:impossible|not possible) (?:for me )?to "
        r"(?:describe|write|provide|create|give) (?:an?|this)\b"
    ),
    "This book is unknown to me.": (
        rf"(?:the|this) {_ITEM} is (?:unknown|unfamiliar|not known|not familiar) to me\b"
    ),
    "The information provided is incomplete.": (
        r"(?:the|your) (?:\w+ ){0,2}(?:information|details|input|prompt)"
        rf"(?: \w+){{0,3}}? (?:is|are|was|were|seems|appears)(?: to be)?(?: \w+ly)? {_MISSING}\b"
    ),
    "You didn't provide the fields of the item.": (
        r"you (?:didn't|did not|haven't|have not|forgot to)(?: \w+ly)? "
        r"(?:provid|giv|shar|includ|specif|mention|paste)"
    ),
    "There may be some confusion.": (
        r"(?:it (?:seems|looks|appears)(?: like| that)? there(?:'s| is| may be| might be)"
        r"|there (?:may|might|must|seems? to|appears? to) be) (?:some|an?) "
        r"(?:confusion|mistake|misunderstanding|error|missing information|information missing)\b"
    ),
    "Please provide the title of the book.": (
        r"(?:please|(?:could|can|would) you)(?: please| kindly)? "
        r"(?:(?:provide|share|tell|give|clarify|specify|supply|send)"
        r"(?: (?:me|us|with|the|more|additional|further|some|a|any|full|item's|specific))+"
        rf" (?:{_KNOWLEDGE}|titles?|text|fields|name)\b"
        r"|(?:provide|share|clarify|specify|supply|send|(?:tell|give) (?:me|us))\b"
        r"[^.!?]{0,150}\?)"
    ),
    "I need more information.": (
        rf"{_WE} ?(?:'d|'ll|would|will)? ?(?:\w+ly )?(?:need|require)"
        r"(?: (?:more|additional|further|some|the|a|bit|little|of|any|specific|full|item's))*"
        rf" (?:{_KNOWLEDGE}|title|text)\b"
    ),
    "The request violates our policy.": (
        r"(?:it|this|that|(?:the|this|that|your) (?:request|content|question|prompt|item|topic))"
        r"(?: \w+){0,2}? (?:violat\w+|(?:goes|go|is|be) against)\b"
        r"[^.!?]{0,40}\b(?:polic(?:y|ies)|guidelines|terms|programming)\b"
    ),
    "I'm happy to help, but the text is in Arabic.": (
        rf"{_WE} ?(?:'m|am|'d|would)(?: be| love| like| really)* ?(?:happy|glad)? ?to "
        r"(?:help|assist)\b[^.!?]{0,40}\b(?:but|however)\b"
    ),
    "Sorry, but that is not possible.": (
        rf"{_SORRY},? but\b[^.!?]*\b(?:no|not|nothing|\w+n't|cannot|unable|violat\w+|polic\w+"
        r"|against|decline|need)\b"
    ),
}
_REFUSALS = tuple(re.compile(pattern, re.IGNORECASE) for pattern in REFUSALS.values())

# Phrases that may come before a refusal.
_LEAD_INS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:hello|hi|hey|greetings|dear \w+)(?: there| \w+)?[,.!]",
        r"(?:sure|certainly|of course|okay|ok|thank you|thanks)\b(?: for [^.,!?]{0,60})?[,.!]",
        r"i(?:'m| am|'d be|'d love| would be| would love)(?: happy| glad)? to (?:help|assist)"
        r"[^.!?,]{0,60}[.!]",
        r"(?:unfortunately|however|regrettably|i regret(?: that)?|but|so|note|to be honest)\b[,:]?",
        r"(?:based on|given|without|with|from|due to|because of|considering|according to|while|as)"
        r"\b[^.,!?]{0,100},",
        r"i (?:understand|appreciate|see)\b[^.!?]{0,100}?,? but\b",
        r"(?:it (?:seems|looks|appears)|i think|i believe)(?: like| as if| as though)?(?: that)?\b",
        rf"{_SORRY}[,.!;:]?(?: but\b)?(?: that\b)?",
    )
)


def is_refusal(text: str, fields: str = "") -> bool:
    """Whether an answer is a refusal, such as "I'm sorry, but I can't ..." or "As an AI, I ...".

    A refusal is at the beginning of a cleaned answer or, in a short answer, of any sentence. A
    sentence that starts with the first words of a field is no refusal, because it is about the
    item: "I Can't Complain is ...".
    """
    straight = text[:_LONGEST].replace("’", "'")
    starts = [0]
    if len(text) < _SHORT:
        starts += [match.end() for match in _SENTENCE_START.finditer(straight)]
    return any(_refuses(straight[start:], fields) for start in starts)


def opens_with_field(text: str, fields: str) -> bool:
    """Whether the first three words of a text are those of a field, or of a sentence in a field."""
    words = re.findall(r"\w+(?:'\w+)*", text.replace("’", "'"))[:3]
    return len(words) == 3 and _opens_field(r"\W+".join(map(re.escape, words)), fields)


def is_field(opening: str, fields: str) -> bool:
    """Whether a field starts with exactly these words, as the titles "Text" and "OK!" do.

    If a colon follows them in the field, they are a label there and not a title.
    """
    return bool(opening) and _opens_field(rf"{re.escape(opening)}(?!\s*:)", fields)


def _opens_field(pattern: str, fields: str) -> bool:
    straight = fields.replace("’", "'")
    found = re.search(rf"(?:\A|[^\w\s']\s*|\n\s*)'?{pattern}(?!\w)", straight, re.IGNORECASE)
    return found is not None


def _refuses(text: str, fields: str) -> bool:
    """Whether a text begins with a refusal, possibly after introductory phrases."""
    while True:
        text = re.sub(r"\A\W+", "", text)
        if opens_with_field(text, fields):
            return False
        if any(refusal.match(text) for refusal in _REFUSALS):
            return True
        led_in = next((match for lead in _LEAD_INS if (match := lead.match(text))), None)
        if led_in is None:
            return False
        text = text[led_in.end() :]
