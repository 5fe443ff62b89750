"""Configurations: read, overridden, checked."""

from __future__ import annotations

import pytest
import yaml

from beekit.errors import ConfigError
from beekit.run.comparison import load_comparison
from beekit.run.config import load_config, make_config
from beekit.run.resume import saved_config, write_config
from beekit.run_folder import RunFolder

LEAST = {"data": "shop", "out": "run", "encoder": "encoder"}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**LEAST, "training": {"max_steps": 3}}))
    return path


def test_overrides_reach_into_sections_and_are_typed(file):
    config = load_config(
        file, ["training.learning_rate=5e-5", "split.seed=7", "data=other", "training.bf16=true"]
    )
    assert config.training == {"max_steps": 3, "learning_rate": 5e-5, "bf16": True}
    assert config.split.seed == 7
    assert config.data == "other"


def test_floats_without_a_point_are_numbers(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("data: a\nout: b\nencoder: c\ntraining:\n  learning_rate: 1e-4\n")
    assert load_config(path).training["learning_rate"] == 1e-4


def test_saved_configuration_reads_back(tmp_path):
    config = make_config({**LEAST, "split": {"fraction": 0.1}, "training": {"epochs": 2}})
    folder = RunFolder(tmp_path)
    write_config(folder, config)
    # The folder may have been moved since: `out` is where it is.
    assert saved_config(folder) == config.replace(out=str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dta": "x"}, "Did you mean data"),
        ({"training": {"learning_rat": 1.0}}, "Did you mean training.learning_rate"),
        ({"split": {"sede": 1}}, "Did you mean split.seed"),
        ({"evaluation": {"topk": 1}}, "Did you mean evaluation.top_k"),
        ({"min_value": "4"}, "min_value='4'; expected a number"),
        ({"training": {"bf16": "yes"}}, "training.bf16='yes'; expected true or false"),
        ({"training": {"dropout": 0.1}}, "expected true or false"),
        ({"training": {"users_per_step": True}}, "expected an integer"),
        ({"training": {"max_steps": 1, "epochs": 1}}, "one of the two"),
        ({"training": {"output_dir": "x"}}, "Name that folder: out=RUN"),
        ({"training": [1]}, "expected keys and values"),
        ({"split": {"kind": "cold"}}, "expected one of cold_start"),
        ({"encoder": None}, "no key encoder"),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(change, message):
    with pytest.raises(ConfigError) as caught:
        make_config({**LEAST, **change})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_yaml(tmp_path):
    with pytest.raises(ConfigError, match="no file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: {b")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(ConfigError, match="expected keys and values"):
        load_config(tmp_path / "list.yaml")


def test_an_argument_without_a_value_is_refused(file):
    with pytest.raises(ConfigError, match="expected key=value"):
        load_config(file, ["data"])


@pytest.mark.parametrize("bf16", [True, False, "auto"])
def test_bf16_may_be_auto(bf16):
    assert make_config({**LEAST, "training": {"bf16": bf16}}).training["bf16"] == bf16


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["split.seed=1", "split.seed=2"], "expected each key once"),
        (["split.seed=1", "split={kind: user}"], "sections before their keys"),
        (["training.epochs=2"], "training.epochs and training.max_steps together"),
    ],
)
def test_what_is_said_twice_is_refused(file, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(file, overrides)


def test_the_same_said_again_and_a_section_before_its_keys_are_fine(file):
    assert load_config(file, ["split.seed=7", "split.seed=7"]).split.seed == 7
    config = load_config(file, ["split={kind: user}", "split.seed=7"])
    assert (config.split.kind, config.split.seed) == ("user", 7)


def test_a_key_twice_in_a_file_is_refused(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("data: a\nout: b\nencoder: c\ntraining:\n  seed: 1\n  seed: 2\n")
    with pytest.raises(ConfigError, match="the key seed twice, again in line 6"):
        load_config(path)
    path.write_text("data: a\nout: b\nencoder: c\nsplit: {<<: &own {seed: 1}, seed: 2}\n")
    assert load_config(path).split.seed == 2


def test_null_unsets_a_key_of_the_training(file):
    config = load_config(file, ["training.max_steps=null", "training.epochs=2"])
    assert config.training == {"epochs": 2}


def test_a_saved_configuration_with_a_key_that_is_refused_now_is_read(file):
    content = yaml.safe_load(file.read_text())
    content["training"]["prompts"] = "query: "
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"training\.prompts"):
        load_config(file)
    assert saved_config(RunFolder(file.parent)).training["prompts"] == "query: "


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("|", "|"), (",", ","), ("::", "::"), ("tab", "\t"), ("';'", ";"), ('";"', ";"), ("#", "#")],
)
def test_signs_of_a_table_are_taken_as_typed(tmp_path, typed, meant):
    path = tmp_path / "config.yaml"
    path.write_text("data: d\nout: o\nencoder: e\ninteractions: {file: u.data}\n")
    read = load_config(str(path), [f"interactions.separator={typed}"])
    assert read.interactions.separator == meant
    path.write_text("data: d\nout: o\nmodels: [EASE]\ninteractions: {file: u.data}\n")
    read = load_comparison(str(path), [f"interactions.separator={typed}"])
    assert read.interactions.separator == meant


def test_no_quote_is_said_on_the_command_line_too(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("data: d\nout: o\nmodels: [EASE]\ninteractions: {file: u.data}\n")
    read = load_comparison(str(path), ["interactions.quote=null", "interactions.decimal=,"])
    assert (read.interactions.quote, read.interactions.decimal) == (None, ",")
