"""The report page: complete, self-contained, safe with any text, and honest about what is best."""

from __future__ import annotations

import copy
import json
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from beekit.errors import RunError
from beekit.report import render_report, write_report

METRIC = "calibrated_recall@20"
OPTIONAL = {
    "training": "Training",
    "comparisons": "Paired test",
    "by_history": "By length of history",
    "neighbours": "Cold items and their neighbours",
}
VOID = {"meta", "wbr", "br"}


def _row(model: str, recall: float, coverage: float) -> dict[str, Any]:
    return {
        "model": model,
        "scenario": "cold_start/test",
        "users": 6000,
        "metrics": {
            METRIC: {"value": recall, "ci95": [recall - 0.002, recall + 0.002]},
            "ndcg@100": {"value": recall * 0.91, "ci95": [recall * 0.9, recall * 0.92]},
            "coverage@20": {"value": coverage, "ci95": [coverage - 0.01, coverage]},
        },
        "seconds": 1.2,
    }


def _neighbour(label: str, together: int) -> dict[str, Any]:
    return {"label": label, "score": 0.71, "together": together}


@pytest.fixture
def results() -> dict[str, Any]:
    return {
        "schema": 1,
        "dataset": {
            "name": "films",
            "users": 6038,
            "items": 3247,
            "catalog_items": 3883,
            "interactions": 574640,
            "fingerprint": "b5c0" * 16,
        },
        "split": {
            "kind": "cold_start",
            "hash": "75b5" * 16,
            "settings": {"items": 649, "validation_items": 162, "seed": 42},
            "train": {"interactions": 436326, "cold_items": 1447},
            "validation": {"users": 5211, "targets": 27387, "candidates": 162},
            "test": {"users": 6000, "targets": 110927, "candidates": 649},
        },
        "environment": {"beekit": "0.1.0", "python": "3.11.7", "device": "cpu"},
        "rows": [
            _row("random", 0.0311, 0.9871),
            _row("popularity", 0.0322, 0.0433),
            _row("pretrained", 0.1, 0.9544),
            _row("fine-tuned", 0.25, 0.8155),
        ],
        "note": "These films are invented.",
        "training": {
            "encoder": "someone/small-encoder",
            "text": "{title}. {plot_short}",
            "loss": "ELSALoss",
            "steps": 30,
            "seconds": 400.0,
            "users_per_step": 1024,
            "items_per_step": 800,
            "learning_rate": 1e-4,
            "bf16": False,
            "peak_memory_mb": 1800.0,
            "best_step": 5,
            "metric": METRIC,
            "loss_curve": [[1, 1.68], [2, 1.66], [3, 1.61]],
            "validation_curve": [[0, 0.25], [5, 0.39], [10, 0.38]],
        },
        "comparisons": [
            {
                "metric": METRIC,
                "first": "fine-tuned",
                "second": "pretrained",
                "difference": 0.15,
                "ci95": [0.148, 0.152],
                "p_value": 0.0,
                "users": 6000,
            }
        ],
        "by_history": {
            "metric": METRIC,
            "bins": [
                {
                    "low": low,
                    "high": high,
                    "users": 500,
                    "models": {
                        "pretrained": {"value": 0.1, "ci95": [0.09, 0.11]},
                        "fine-tuned": {"value": 0.2, "ci95": [0.19, 0.21]},
                    },
                }
                for low, high in ((1, 1), (2, 4), (5, 9))
            ],
        },
        "neighbours": [
            {
                "item_id": "260",
                "label": "Star Wars (1977)",
                "text": "A farm boy leaves home.",
                "users": 2800,
                "before": [_neighbour("Babe (1995)", 0)],
                "after": [_neighbour("Alien (1979)", 1234)],
            }
        ],
    }


class _Page(HTMLParser):
    """Checks that elements nest, and collects attributes, headings and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((tag, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            tag, text = self.headings[-1]
            self.headings[-1] = (tag, text + data)

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


def _text(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html[html.index("<body>") :]).split())


def test_page_refers_to_nothing_outside_itself(results: dict[str, Any]) -> None:
    html = render_report([results, results])
    page = _Page(html)
    links = [*page.values("href"), *page.values("xlink:href"), *page.values("src")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", html))
    addresses = set(re.findall(r"https?://[^\s\"'<>]*", html))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not {tag for tag, _, _ in page.attributes} & {"script", "link", "img", "iframe"}


def test_ids_are_unique_and_every_reference_has_its_id(results: dict[str, Any]) -> None:
    html = render_report([results, results])
    page = _Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    referred = [
        *page.values("href"),
        *page.values("xlink:href"),
        *re.findall(r"url\((.*?)\)", html),
    ]
    assert {reference.removeprefix("#") for reference in referred} <= set(ids)


def test_text_of_users_is_escaped(results: dict[str, Any]) -> None:
    hostile = "<script>alert('1')</script>"
    results["note"] = results["dataset"]["name"] = results["training"]["text"] = hostile
    results["rows"][0]["model"] = results["environment"]["device"] = hostile
    item = results["neighbours"][0]
    item["label"] = item["text"] = item["before"][0]["label"] = hostile
    for part in results["by_history"]["bins"]:
        part["models"][f'"{hostile} $x$'] = part["models"].pop("pretrained")
    html = render_report([results], [hostile])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 8
    _Page(html)


def test_every_value_and_interval_of_the_rows_appears(results: dict[str, Any]) -> None:
    text = _text(render_report([results]))
    for row in results["rows"]:
        assert row["model"] in text
        for metric in row["metrics"].values():
            low, high = metric["ci95"]
            assert f"{metric['value']:.4f} {low:.4f}–{high:.4f}" in text


def test_best_value_of_each_column_is_bold_and_no_other(results: dict[str, Any]) -> None:
    html = render_report([results])
    assert re.findall("<b>(.*?)</b>", html) == ["0.9871", "0.2500", "0.2275"]


def test_bold_is_sought_among_comparable_rows_only(results: dict[str, Any]) -> None:
    other = copy.deepcopy(results)
    other["split"]["hash"] = "1" * 64
    for row in other["rows"]:
        row["metrics"] = {METRIC: {"value": row["metrics"][METRIC]["value"] + 0.5}}
    leading = render_report([results, other]).partition('class="run"')[0]
    assert re.findall("<b>(.*?)</b>", leading) == ["0.9871", "0.2500", "0.2275", "0.7500"]
    assert "cannot be compared" in leading


@pytest.mark.parametrize("missing", [[key] for key in OPTIONAL] + [[*OPTIONAL, "note"]])
def test_what_is_absent_leaves_no_heading(results: dict[str, Any], missing: list[str]) -> None:
    for key in missing:
        del results[key]
    headings = {text for _, text in _Page(render_report([results])).headings}
    assert headings.isdisjoint({OPTIONAL[key] for key in missing if key in OPTIONAL})
    assert headings >= {"Results", "Data and split"}
    assert headings >= {text for key, text in OPTIONAL.items() if key not in missing}


def test_empty_parts_leave_no_heading(results: dict[str, Any]) -> None:
    results |= {"rows": [], "comparisons": [], "neighbours": [], "training": {}}
    results["by_history"] = {"metric": METRIC, "bins": []}
    html = render_report([results])
    assert [text for _, text in _Page(html).headings] == [
        "Models evaluated on films",
        "Data and split",
    ]
    assert "Nothing was held out, so nothing was measured." in html
    assert "<svg" not in html


def test_the_part_that_was_trained_is_stated_and_what_is_not_set_left_out(
    results: dict[str, Any],
) -> None:
    assert "parameters trained" not in render_report([results])
    results["training"] |= {"lora": 8, "last_layers": None}
    results["training"] |= {"trained_parameters": 129024, "parameters": 1863168}
    page = render_report([results])
    assert "129,024 of 1,863,168" in page
    assert "rank of the adapters (LoRA)" in page
    assert "last layers" not in page
    assert "last_layers" not in page


def test_training_without_curves_has_no_figure(results: dict[str, Any]) -> None:
    del results["by_history"], results["training"]["loss_curve"]
    results["training"]["validation_curve"] = []
    html = render_report([results])
    assert "<svg" not in html
    assert "6 min 40 s" in html


def test_summary_gives_values_ratio_difference_and_baselines(results: dict[str, Any]) -> None:
    text = _text(render_report([results]))
    assert "0.2500 (95% interval 0.2480–0.2520) with the fine-tuned encoder" in text
    assert "0.1000 (95% interval 0.0980–0.1020) with the encoder before training" in text
    assert "2.50 times as much" in text
    assert "the difference is +0.1500 (95% interval 0.1480–0.1520); zero lies outside" in text
    assert "random 0.0311 and popularity 0.0322; the fine-tuned encoder is above both" in text


def test_summary_does_not_call_a_loss_or_a_draw_a_gain(results: dict[str, Any]) -> None:
    paired = results["comparisons"][0]
    paired |= {"difference": -0.001, "ci95": [-0.004, 0.002]}
    drawn = _text(render_report([results]))
    assert "−0.0010 (95% interval −0.0040 to 0.0020); zero lies inside" in drawn
    paired |= {"difference": -0.1, "ci95": [-0.11, -0.09]}
    assert "fine-tuning made this metric worse" in _text(render_report([results]))


def test_summary_judges_by_holm_and_by_the_interval_over_items(results: dict[str, Any]) -> None:
    paired = results["comparisons"][0]
    paired |= {"p_value": 0.03, "p_holm": 0.09, "family": 3}
    text = _text(render_report([results]))
    assert "p over users 0.0900 with Holm's correction, raw 0.0300" in text.replace("&#39;", "'")
    assert "so this test does not show a difference between the two" in text
    paired |= {"p_holm": 0.04, "ci95_items": [-0.01, 0.31]}
    text = _text(render_report([results]))
    assert "95% interval over users and items −0.0100 to 0.3100" in text
    assert "so there may be none on other items" in text
    for row in results["rows"]:
        value = row["metrics"][METRIC]["value"]
        row["metrics"][METRIC]["ci95_items"] = [value - 0.02, value + 0.02]
    text = _text(render_report([results]))
    assert "0.2500 (95% interval over users and items 0.2300–0.2700)" in text
    assert "0.2500 0.2480–0.2520 0.2300–0.2700" in text
    assert (
        "The interval over users shows how the value would vary with other users like these."
        in text
    )


def test_summary_names_baselines_not_beaten_and_a_better_model(results: dict[str, Any]) -> None:
    results["rows"][1] = _row("popularity", 0.2495, 0.1)
    results["rows"].append(_row("linear head", 0.31, 0.7))
    text = _text(render_report([results]))
    assert "the fine-tuned encoder is not clearly above popularity" in text
    assert "The highest value in the table is that of linear head, 0.3100" in text


def test_run_without_a_fine_tuned_model_names_the_best_of_all(results: dict[str, Any]) -> None:
    del results["rows"][3], results["training"]
    text = _text(render_report([results]))
    assert f"the highest {METRIC} of 3 models is that of pretrained, 0.1000" in text


def test_small_p_values_are_bounds(results: dict[str, Any]) -> None:
    results["comparisons"].append({**results["comparisons"][0], "p_value": 0.0375})
    text = _text(render_report([results]))
    assert "&lt; 0.0001" in text
    assert "0.0375" in text


def test_values_that_are_not_finite_are_named_and_never_best(results: dict[str, Any]) -> None:
    results["rows"][0]["metrics"][METRIC] = {"value": math.nan, "ci95": [math.nan, math.nan]}
    results["rows"][1]["metrics"]["ndcg@100"] = {"value": math.inf, "ci95": [0.1, math.inf]}
    results["rows"][2]["metrics"]["coverage@20"] = {"value": None}
    results["training"]["loss_curve"] = [[1, 1.5], [2, math.nan], [3, math.inf]]
    results["training"]["validation_curve"] = [[5, math.nan]]
    results["by_history"]["bins"][0]["models"]["pretrained"] = {"value": math.nan, "ci95": None}
    results["comparisons"][0] |= {"p_value": math.nan, "difference": math.nan, "ci95": [None, 1]}
    html = render_report([results])
    assert not re.search(r"\b(nan|inf|None)\b", _text(html))
    assert re.findall("<b>(.*?)</b>", html) == ["0.9871", "0.2500", "0.2275"]
    assert html.count("<svg") == 2


def test_tiny_values_do_not_read_as_zero(results: dict[str, Any]) -> None:
    results["rows"][0]["metrics"][METRIC] = {"value": 4.2e-6, "ci95": [1e-6, 8e-6]}
    assert "4.2e-06 1.0e-06–8.0e-06" in _text(render_report([results]))


def test_metric_that_a_model_lacks_leaves_its_cell_open(results: dict[str, Any]) -> None:
    del results["rows"][1]["metrics"]["ndcg@100"]
    assert "n/a" in _text(render_report([results]))


def test_several_runs_share_a_table_and_keep_their_parts(results: dict[str, Any]) -> None:
    other = copy.deepcopy(results)
    other["training"]["encoder"] = "someone/large-encoder"
    other["rows"][3] = _row("fine-tuned", 0.4321, 0.7)
    html = render_report([results, other], ["small", "large"])
    leading, *parts = html.split('<section class="run"')
    assert len(parts) == 2
    assert leading.count("fine-tuned</span><small>") == 2
    assert "<b>0.4321</b>" in leading
    assert "someone/small-encoder → films" in parts[0]
    assert "someone/large-encoder → films" in parts[1]
    levels = [int(tag[1]) for tag, _ in _Page(html).headings]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_neighbours_used_together_are_marked(results: dict[str, Any]) -> None:
    text = _text(render_report([results]))
    assert "Babe (1995) 0.71 never used together" in text
    assert "Alien (1979) 0.71 used together by 1,234" in text


def test_hashes_are_short_with_the_whole_in_the_title(results: dict[str, Any]) -> None:
    html = render_report([results])
    assert f'title="{"75b5" * 16}">75b575b575b5<' in html
    assert f'title="{"b5c0" * 16}">b5c0b5c0b5c0<' in html


def test_path_of_an_encoder_is_not_told(results: dict[str, Any]) -> None:
    results["training"]["encoder"] = "/home/someone/models/my-encoder"
    html = render_report([results])
    assert "my-encoder → films" in html
    assert "/home" not in html


def test_figures_and_tables_are_described_to_those_who_cannot_see(results: dict[str, Any]) -> None:
    html = render_report([results])
    page = _Page(html)
    figures = re.findall("<svg[^>]*>", html)
    assert len(figures) == 3
    assert all('role="img"' in figure and "aria-label=" in figure for figure in figures)
    assert html.count("<th ") == len(
        [1 for tag, key, _ in page.attributes if (tag, key) == ("th", "scope")]
    )
    assert '<html lang="en">' in html
    assert 'name="viewport"' in html


def test_same_results_give_the_same_bytes(results: dict[str, Any]) -> None:
    assert render_report([results]) == render_report([copy.deepcopy(results)])


def test_rendering_leaves_the_results_as_they_were(results: dict[str, Any]) -> None:
    before = copy.deepcopy(results)
    render_report([results])
    assert results == before


def test_written_report_is_the_rendered_one_under_the_folders_name(
    tmp_path: Path, results: dict[str, Any]
) -> None:
    run = tmp_path / "my-run"
    run.mkdir()
    (run / "results.json").write_text(json.dumps(results), encoding="utf-8")
    write_report([run], run / "report.html")
    assert (run / "report.html").read_text(encoding="utf-8") == render_report([results], ["my-run"])
    assert sorted(path.name for path in run.iterdir()) == ["report.html", "results.json"]


def test_runs_of_one_folder_name_are_told_apart_by_path(
    tmp_path: Path, results: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for parent in ("first", "second"):
        (tmp_path / parent / "run").mkdir(parents=True)
        (tmp_path / parent / "run" / "results.json").write_text(json.dumps(results))
    write_report(["first/run", "second/run"], "report.html")
    html = Path("report.html").read_text(encoding="utf-8")
    assert ">first/run<" in html
    assert ">second/run<" in html


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "no results.json in"),
        ("{", "cannot be read"),
        ('{"schema": 2}', "schema 2"),
        ("[]", "a list"),
    ],
)
def test_folder_without_readable_results_is_refused_and_nothing_written(
    tmp_path: Path, content: str | None, found: str
) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(RunError, match=found):
        write_report([tmp_path], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_no_runs_are_refused() -> None:
    with pytest.raises(RunError, match="at least one"):
        render_report([])
