"""Answers checked against the OpenAPI document that the application gives of itself."""

import re
from collections.abc import Mapping
from typing import Any, cast

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from dispatcher.app import create_app
from dispatcher.settings import load_settings
from dispatcher.wiring import build_services


def load_document() -> dict[str, Any]:
    app = create_app(build_services(load_settings([]))).app
    return cast(FastAPI, app).openapi()


DOCUMENT = load_document()


def validate(schema: Mapping[str, Any], value: object) -> None:
    """Fail when a value does not fit a schema of the document."""
    whole = {"components": DOCUMENT["components"], "allOf": [schema]}
    Draft202012Validator(whole).validate(value)


def check(response: httpx.Response) -> httpx.Response:
    """Fail when an answer is not one that the document tells of; return it."""
    request = response.request
    operation = _path_item(request.url.path)[request.method.lower()]
    documented = operation["responses"][str(response.status_code)]
    media_type = response.headers["content-type"].partition(";")[0]
    every = f"{media_type.partition('/')[0]}/*"
    known = documented["content"]
    content = known[media_type] if media_type in known else known[every]
    if media_type.endswith("json"):
        validate(content.get("schema", {}), response.json())
    return response


def _path_item(path: str) -> dict[str, Any]:
    for template, item in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return cast(dict[str, Any], item)
    raise AssertionError(f"{path} is not documented")
