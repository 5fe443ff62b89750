"""Questions to an endpoint that fails in every way there is."""

from __future__ import annotations

import socket
import threading
import time
from email.utils import formatdate

import pytest
from mock_chat_server import ChatServer, Cut, Fail, Say

from beekit.describe.chat import Sampling
from beekit.describe.endpoint import EndpointChat
from beekit.errors import ConfigError, DescribeError

QUICK = {"first_wait": 0.01, "patience": 5.0, "timeout": 5.0}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def replies(server, questions, **settings):
    chat = EndpointChat(server.url, "m", **{**QUICK, **settings})
    return dict(sorted(pair for batch in chat.answers(questions) for pair in batch))


def texts(server, questions, **settings):
    return [reply.text for reply in replies(server, questions, **settings).values()]


def test_every_question_is_answered_once_with_its_own_answer():
    questions = [f"q{i}" for i in range(100)]
    with ChatServer(lambda question, _: Say(f"about {question}")) as server:
        assert texts(server, questions) == [f"about {question}" for question in questions]
        assert sorted(server.questions) == sorted(questions)


def test_as_many_questions_are_in_flight_as_asked_for():
    together = threading.Barrier(8)  # each waits for seven others, however busy the machine is
    lock, in_flight, seen = threading.Lock(), [], []

    def answer(question, _):
        with lock:
            in_flight.append(question)
            seen.append(len(in_flight))
        together.wait(timeout=20)
        with lock:  # before the answer is sent, upon which the next question may come
            in_flight.remove(question)
        return Say("a")

    with ChatServer(answer) as server:
        replies(server, [str(i) for i in range(24)], concurrency=8, timeout=20.0)
    assert max(seen) == 8


def test_the_request_says_model_sampling_and_key():
    sampling = Sampling(77, 0.5, 3, {"top_p": 0.9, "seed": None})
    with ChatServer(lambda *_: Say("a")) as server:
        replies(server, ["q"], sampling=sampling, key="secret-key")
        (asked,) = server.log
    assert asked.path == "/v1/chat/completions"
    assert asked.key == "Bearer secret-key"
    assert asked.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "q"}],
        "max_tokens": 77,
        "temperature": 0.5,
        "top_p": 0.9,
    }


def test_tokens_and_a_cut_off_answer_are_told():
    with ChatServer(lambda *_: Say("one two", "length")) as server:
        (reply,) = replies(server, ["three small words"]).values()
    assert (reply.cut_off, reply.prompt_tokens, reply.answer_tokens) == (True, 3, 2)


@pytest.mark.parametrize(
    "failure",
    [
        Fail(500),
        Fail(503),
        Fail(429),
        Fail(408),
        Cut(),
        Fail(502, "<html>bad gateway</html>"),
        Say("late", after=1.0),
    ],
    ids=["500", "503", "429", "408", "cut", "html", "slow"],
)
def test_a_temporary_failure_is_tried_again(failure):
    with ChatServer(lambda _, before: failure if before < 2 else Say("a")) as server:
        assert texts(server, ["q", "r"], timeout=0.3) == ["a", "a"]
        assert server.times == {"q": 3, "r": 3}


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_waited_for(date):
    def plan(_, before):
        after = formatdate(time.time() + 1.5, usegmt=True) if date else "0.5"
        return Say("a") if before else Fail(429, headers={"Retry-After": after})

    with ChatServer(plan) as server:
        started = time.monotonic()
        assert texts(server, ["q"]) == ["a"]
        assert time.monotonic() - started > 0.4


def test_a_rate_limit_beyond_patience_ends_the_run_and_says_when_to_come_back():
    with ChatServer(lambda *_: Fail(429, headers={"Retry-After": "3600"})) as server:
        with pytest.raises(DescribeError, match="asking to wait 3600 s"):
            replies(server, ["q"])
        assert len(server.log) == 1


@pytest.mark.parametrize(
    ("failure", "found"),
    [
        (Fail(401, '{"error": "Incorrect key: secret-key"}'), "HTTP 401;"),
        (Fail(403), "HTTP 403;"),
        (Fail(404, '{"message": "The model `m` does not exist."}'), "model `m` does not exist"),
        (Fail(402, "no money,\nsecret-key"), "no money, ***"),
        (Fail(429, '{"error": {"code": "insufficient_quota"}}'), "insufficient_quota"),
        (Fail(307, headers={"Location": "http://127.0.0.1:1/"}), "redirect"),
        (Say("x", message={"content": 3}), "not a chat completion"),
        (Fail(200, "<html>hello</html>"), "not a chat completion"),
        (Fail(400, '{"error": {"message": "unknown field seed"}}'), "unknown field seed"),
    ],
    ids=["401", "403", "404", "402", "quota", "redirect", "strange", "html", "settings"],
)
def test_a_permanent_failure_ends_the_run_in_one_line_without_the_key(failure, found):
    with ChatServer(lambda *_: failure) as server:
        with pytest.raises(DescribeError) as caught:
            replies(server, ["q"] * 50, key="secret-key", key_name="SOME_KEY", concurrency=2)
        assert len(server.log) <= 4
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret-key" not in str(caught.value)


def test_a_wrong_key_is_answered_with_the_variable_it_is_from():
    with ChatServer(lambda *_: Fail(401)) as server, pytest.raises(DescribeError) as caught:
        replies(server, ["q"], key_name="SOME_KEY")
    assert "SOME_KEY" in caught.value.remedy


def test_a_refused_connection_ends_the_run_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        chat = EndpointChat(f"http://127.0.0.1:{taken.getsockname()[1]}", "m")
        with pytest.raises(DescribeError, match="connection refused"):
            list(chat.answers(["q"]))


def test_replies_before_a_permanent_failure_are_handed_over():
    with ChatServer(lambda question, _: Fail(401) if question == "9" else Say("a")) as server:
        chat = EndpointChat(server.url, "m", concurrency=1)
        answered = []

        def read():
            for batch in chat.answers([str(i) for i in range(20)]):
                answered.extend(at for at, _ in batch)

        with pytest.raises(DescribeError):
            read()
        assert answered == list(range(9))


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (Fail(400, '{"error": {"message": "This is too long"}}'), "HTTP 400 (This is too long)"),
        (Fail(400, '{"error": {"message": "maximum context length"}}'), "context length"),
        (Fail(413), "HTTP 413"),
        (Fail(400, '{"error": {"code": "content_filter"}}'), "content filter"),
        (Say("half", "content_filter"), "content filter"),
        (Say(None, message={"refusal": "I will not."}), "refusal"),
    ],
    ids=["400", "context", "413", "filter 400", "filter", "refusal"],
)
def test_one_question_that_is_not_taken_does_not_end_the_run(failure, problem):
    with ChatServer(lambda question, _: failure if question == "bad" else Say("a")) as server:
        got = replies(server, ["bad", "q"], concurrency=1)
    assert problem in got[0].problem
    assert not got[0].unanswered
    assert got[1].text == "a"


def test_a_question_that_keeps_failing_alone_is_given_up_alone():
    def plan(question, _):
        return Fail(500) if question == "bad" else Say("a", after=0.02)

    with ChatServer(plan) as server:
        got = replies(server, ["bad", *map(str, range(60))], concurrency=2, patience=0.5)
    assert got[0].unanswered
    assert "HTTP 500" in got[0].problem
    assert [reply.text for reply in list(got.values())[1:]] == ["a"] * 60


def test_an_endpoint_that_answers_nothing_ends_the_run_when_patience_does():
    with ChatServer(lambda *_: Fail(500)) as server, pytest.raises(DescribeError) as caught:
        replies(server, ["q", "r"], patience=0.3)
    assert "HTTP 500" in caught.value.found


def test_half_a_surrogate_pair_is_asked_and_answered():
    with ChatServer(lambda *_: Say("x\ud83d")) as server:
        assert texts(server, ["\ud83d"]) == ["x\ud83d"]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host:8000", "http://host:8000/v1/chat/completions"),
        ("http://host:8000/", "http://host:8000/v1/chat/completions"),
        ("https://host/api/v1/", "https://host/api/v1/chat/completions"),
        ("http://host/v1/chat/completions", "http://host/v1/chat/completions"),
    ],
)
def test_the_address_is_completed(url, address):
    assert EndpointChat(url, "m").address == address


@pytest.mark.parametrize(
    "url",
    ["host:8000", "ftp://host", "http://", "http://host:port", "http://a b/v1", "http://höst/v1"],
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        EndpointChat(url, "m")
    assert repr(url) in caught.value.found


@pytest.mark.parametrize("url", ["http://me:pass@host/v1", "me:pass@host", "http://h/?key=pass"])
def test_a_url_with_a_secret_is_refused_without_showing_it(url):
    with pytest.raises(ConfigError) as caught:
        EndpointChat(url, "m")
    assert "pass@" not in str(caught.value)
    assert "=pass" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "two words", "line\n", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key):
    with pytest.raises(ConfigError) as caught:
        EndpointChat("http://host", "m", key=key, key_name="SOME_KEY")
    assert not key or key not in str(caught.value)
    assert "secret" not in repr(EndpointChat("http://host", "m", key="secret"))


@pytest.mark.parametrize("name", ["concurrency", "timeout", "patience", "first_wait"])
def test_numbers_that_are_not_positive_are_refused(name):
    with pytest.raises(ConfigError, match=name):
        EndpointChat("http://host", "m", **{name: 0})


def test_nothing_asked_is_nothing_answered():
    assert list(EndpointChat("http://127.0.0.1:1", "m").answers([])) == []


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"temperature": -1.0}])
def test_sampling_checks_itself(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Sampling(**wrong)
