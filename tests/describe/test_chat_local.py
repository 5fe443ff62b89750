"""A tiny language model of random weights, asked in batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from beekit.describe.chat import Reply, Sampling
from beekit.describe.local import LocalChat
from beekit.errors import ConfigError, DescribeError

WORDS = ["a", "for", "ink", "is", "it", "item", "one", "printer", "small", "the", "toner", "what"]
WORDS += ["about", "paper", "two", "three"]
SPECIAL = ["<pad>", "<end>", "<user>", "<model>", "<unk>"]
TEMPLATE = (
    "{% for message in messages %}<user> {{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %} <model>{% endif %}"
    "{% if enable_thinking is not defined or enable_thinking %} what{% endif %}"
)
QUESTIONS = ["what is toner", "the small printer is for one item", "ink", "what is it for the two"]


@pytest.fixture(scope="module")
def name(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = {word: at for at, word in enumerate([*SPECIAL, *WORDS])}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.add_special_tokens(SPECIAL)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", unk_token="<unk>", pad_token="<pad>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=40,
        initializer_range=1.0,
        bos_token_id=None,
        eos_token_id=vocabulary["<end>"],
        pad_token_id=vocabulary["<pad>"],
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = LlamaForCausalLM(config)
    # Several tokens end an answer, as in many models tuned to chat, so that some do end.
    model.generation_config.eos_token_id = [vocabulary[word] for word in ("<end>", "a")]
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def loaded(name):
    return LocalChat.load(name, Sampling(12), device="cpu")


def replies(loaded, batch_size=8, **sampling):
    chat = replace(loaded, sampling=replace(loaded.sampling, **sampling), batch_size=batch_size)
    return dict(sorted(pair for batch in chat.answers(QUESTIONS) for pair in batch))


def by_hand(chat, question):
    """Greedy decoding, token by token, without padding."""
    tokens = chat.tokenizer(f"<user> {question} <model>", add_special_tokens=False)["input_ids"]
    read = len(tokens)
    ended = False
    while not ended and len(tokens) < read + 12:
        with torch.no_grad():
            logits = chat.model(torch.tensor([tokens])).logits[0, -1]
        tokens.append(int(logits.argmax()))
        ended = tokens[-1] in chat.model.generation_config.eos_token_id
    written = tokens[read : -1 if ended else None]
    text = chat.tokenizer.decode(written, skip_special_tokens=True)
    return Reply(text, not ended, prompt_tokens=read, answer_tokens=len(tokens) - read)


def test_batches_answer_as_decoding_by_hand_does(loaded):
    expected = dict(enumerate(by_hand(loaded, question) for question in QUESTIONS))
    assert {reply.cut_off for reply in expected.values()} == {True, False}  # both kinds are met
    assert len({reply.text for reply in expected.values()}) > 1
    for batch_size in (1, 3, 8):
        assert replies(loaded, batch_size) == expected


def test_drawn_answers_follow_the_seed_and_leave_the_global_generator(loaded):
    state = torch.get_rng_state()
    first, again, other = (replies(loaded, temperature=2.0, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_a_question_too_long_for_the_model_is_told_and_the_others_are_answered(loaded):
    questions = [*QUESTIONS[:2], "ink " * 40, "ink " * 26]  # with <user> and <model> 28 of 40
    ((_, third), (_, fourth), *others), *more = loaded.answers(questions)
    assert (third.problem, fourth.problem) == ("longer than the model's 40 tokens", "")
    assert fourth.prompt_tokens == 28
    assert not more
    expected = [by_hand(loaded, question) for question in QUESTIONS[:2]]
    assert [reply for _, reply in sorted(others)] == expected


def test_the_longest_questions_come_first(loaded):
    chat = replace(loaded, batch_size=1)
    assert [batch[0][0] for batch in chat.answers(QUESTIONS)] == [1, 3, 0, 2]


def test_a_model_from_the_hub_is_known_by_its_commit(loaded, monkeypatch):
    assert "commit" not in loaded.identity
    monkeypatch.setattr(loaded.model.config, "_commit_hash", "c0ffee", raising=False)
    assert loaded.identity == {
        **{"model": loaded.name, "commit": "c0ffee", "served": "local"},
        **{"max_tokens": 12, "temperature": 0.0, "seed": 0},
    }


def test_the_revision_asked_for_is_the_one_loaded(name, monkeypatch):
    asked = []
    for loader in (AutoTokenizer, AutoModelForCausalLM):

        def spy(*given, real=loader.from_pretrained, **named):
            asked.append(named["revision"])
            return real(*given, **named)

        monkeypatch.setattr(loader, "from_pretrained", spy)
    LocalChat.load(name, device="cpu", revision="v2")
    assert asked == ["v2", "v2"]


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(DescribeError, match="cannot load the language model") as caught:
        LocalChat.load(str(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_one_line(name):
    with pytest.raises(DescribeError, match="cannot load") as caught:
        LocalChat.load(name, device="nothing")
    assert "\n" not in str(caught.value)


def test_a_model_without_chat_template_is_refused(loaded, monkeypatch):
    monkeypatch.setattr(loaded.tokenizer, "chat_template", None)
    with pytest.raises(ConfigError, match="no chat template"):
        replace(loaded, batch_size=2)


def test_fields_of_a_request_are_refused(loaded):
    with pytest.raises(ConfigError, match="top_p"):
        replace(loaded, sampling=Sampling(extra={"top_p": 0.5}))


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_batch_that_does_not_fit_says_what_to_do(loaded, monkeypatch, device):
    chat = replace(loaded, batch_size=3)

    def full(*_, **__):
        if device == "cpu":
            torch.empty(1 << 60, dtype=torch.int8)  # as no machine has
        raise torch.OutOfMemoryError

    monkeypatch.setattr(chat.model, "generate", full)
    with pytest.raises(DescribeError, match="3 questions at a time"):
        next(chat.answers(QUESTIONS))


def test_other_errors_of_the_model_are_not_taken_for_a_lack_of_memory(loaded, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(loaded.model, "generate", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        next(loaded.answers(QUESTIONS))


def test_a_batch_has_at_least_one_question(loaded):
    with pytest.raises(ConfigError, match="batch_size=0"):
        replace(loaded, batch_size=0)
