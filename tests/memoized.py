"""Compute once in a process what libraries compute for each of their objects.

Each test makes its own application and its own connections. Most of that time goes into values that
are the same in every test:

- Werkzeug parses each route and compiles two functions for it: 130 of the 145 ms of CPU that a
  dashboard takes.
- Jinja compiles each template for each application: 1 s for all of the dashboard.
- redis-py parses the metadata of its distribution: 0.9 of the 1.1 ms that each `Redis` takes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import redis
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule
from werkzeug.routing.rules import RulePart

_Builder = Callable[..., tuple[str, str]]


class _CompiledTemplates(BytecodeCache):
    """The templates as they were compiled for the first application."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


def install() -> None:
    """Share these values among all applications and connections of this process."""
    redis.utils.get_lib_version = functools.cache(redis.utils.get_lib_version)
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": _CompiledTemplates()}
    _share_routes()


def _share_routes() -> None:
    parsed: dict[str, tuple[list[RulePart], list[tuple[bool, str]], dict[str, Any]]] = {}
    parse = Rule._parse_rule

    def parse_once(rule: Rule, text: str) -> list[RulePart]:
        # All applications have the converters of Werkzeug, which keep no state.
        if text not in parsed:
            known = len(rule._trace)
            parts = list(parse(rule, text))
            trace = rule._trace[known:]
            converters = {name: rule._converters[name] for is_name, name in trace if is_name}
            parsed[text] = parts, trace, converters
            return parts
        parts, trace, converters = parsed[text]
        rule._trace += trace
        rule._converters |= converters
        rule.arguments |= converters.keys()
        return parts

    Rule._parse_rule = parse_once  # type: ignore[method-assign, assignment]
    compiled: dict[tuple[object, ...], _Builder] = {}
    compile_builder = Rule._compile_builder

    def compile_once(rule: Rule, append_unknown: bool = True) -> _Builder:  # noqa: FBT001, FBT002
        # Converters are looked up in the rule when a URL is built, so equal rules can share the
        # function. Only the values of `defaults` are part of it.
        key = (rule.rule, *rule._trace, repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = compile_once  # type: ignore[method-assign, assignment]
