import json
import os
from pathlib import Path
from typing import Any

import pytest

from step_app.errors import ConfigurationError
from step_app.settings import Settings, StepConfig, load_settings, parse_step_config

DEFAULTS = {
    "pipeline_config": "{}",
    "pod_namespace": "default",
    "service_port": 5000,
    "app_label": "nn-service",
    "service_host": "0.0.0.0",
    "step_threads": os.cpu_count(),
    "max_batch_size": 8,
    "model_cache_dir": None,
    "records_dir": None,
    "exit_with_parent": False,
}
STEPS: list[dict[str, Any]] = [
    {"id": 0, "type": "blur", "params": {"ksize": 3}, "next_step": 1},
    {"id": 1, "type": "classifier", "params": {"top_k": 3}},
    {"id": "last", "type": "classifier"},
]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(name.upper(), raising=False)


def config(**changes: Any) -> str:
    return json.dumps({"pipeline_id": "p", "step_id": 1, "steps": STEPS, **changes})


def test_the_defaults_are_those_of_the_contract() -> None:
    assert load_settings().model_dump() == DEFAULTS


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {
        "PIPELINE_CONFIG": config(),
        "SERVICE_PORT": "5017",
        "STEP_THREADS": "3",
        "MODEL_CACHE_DIR": str(tmp_path),
        "RECORDS_DIR": str(tmp_path / "records"),
        "EXIT_WITH_PARENT": "1",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.service_port, settings.step_threads) == (5017, 3)
    assert (settings.model_cache_dir, settings.exit_with_parent) == (tmp_path, True)
    assert settings.records_dir == tmp_path / "records"
    assert parse_step_config(settings.pipeline_config).pipeline_id == "p"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_PORT", "http"),
        ("SERVICE_PORT", "70000"),
        ("SERVICE_PORT", "-1"),
        ("STEP_THREADS", "0"),
        ("STEP_THREADS", "many"),
        ("MAX_BATCH_SIZE", "0"),
        ("EXIT_WITH_PARENT", "perhaps"),
    ],
)
def test_a_variable_that_means_nothing_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name}: ") as caught:
        load_settings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "null", "---", "# nothing yet"])
def test_an_empty_configuration_means_one_default_classifier(text: str) -> None:
    assert parse_step_config(text) == StepConfig("default", "0", "classifier", {})


def test_the_own_step_is_found_among_the_steps_of_the_pipeline() -> None:
    assert parse_step_config(config()) == StepConfig("p", "1", "classifier", {"top_k": 3}, STEPS)


@pytest.mark.parametrize("step_id", [1, "1"])
def test_an_id_may_be_a_number_or_text(step_id: int | str) -> None:
    assert parse_step_config(config(step_id=step_id)).step_id == "1"


def test_the_first_step_is_the_own_one_unless_told_otherwise() -> None:
    document = {"steps": STEPS}
    assert parse_step_config(json.dumps(document)) == StepConfig(
        "default", "0", "blur", {"ksize": 3}, STEPS
    )


def test_a_step_without_params_has_none() -> None:
    assert parse_step_config(config(step_id="last")).params == {}


def test_json_is_read_as_json_where_it_would_mean_something_else_as_yaml() -> None:
    steps = [{"id": 0, "type": "classifier", "params": {"weights": "\U0001f426", "top_k": 3}}]
    text = config(step_id=0, steps=steps).replace("3}", "3e0}")
    assert parse_step_config(text).params == {"weights": "\U0001f426", "top_k": 3}


def test_yaml_is_read_as_well_as_json() -> None:
    text = "pipeline_id: p\nstep_id: 7\nsteps:\n  - {id: 7, type: classifier, params: {top_k: 2}}\n"
    found = parse_step_config(text)
    assert found == StepConfig("p", "7", "classifier", {"top_k": 2}, found.steps)
    assert found.steps == [{"id": 7, "type": "classifier", "params": {"top_k": 2}}]


def test_what_is_no_step_of_the_pipeline_is_left_out() -> None:
    others = [None, "x", {"type": "blur"}, *STEPS]
    assert parse_step_config(config(steps=others)).steps == STEPS


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML"),
        ("[1, 2]", "must be a mapping"),
        ("classifier", "must be a mapping"),
        (config(step_id=9), "no step has the id 9"),
        (config(steps=None), "no step has the id 1"),
        (config(steps={"1": {}}), "no step has the id 1"),
        (config(steps=[None, 1, "x"]), "no step has the id 1"),
        (config(steps=[{"id": 1}]), "step 1 needs a type and params"),
        (config(steps=[{"id": 1, "type": 5}]), "step 1 needs a type and params"),
        (config(steps=[{"id": 1, "type": "x", "params": [1]}]), "step 1 needs a type and params"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        parse_step_config(text)
