import pytest

from qless_py.client.search import SearchError, Term, parse
from qless_py.errors import BadArgumentError


def test_terms_stand_side_by_side() -> None:
    found = parse(
        'state:failed,Running queue:mail klass:app.* prio:>=2 age:>5m -tag:test "two words"'
    )

    assert found == [
        Term("state", "in", ["failed", "running"]),
        Term("queue", "like", "mail"),
        Term("klass", "like", "app.*"),
        Term("priority", ">=", 2.0),
        Term("age", ">", 300_000.0),
        Term("tag", "like", "test", is_negated=True),
        Term("text", "has", "two words"),
    ]


def test_quotes_may_be_escaped_and_stand_behind_a_field() -> None:
    assert parse(r'error:"say \"no\" \\ twice"') == [Term("error", "has", r'say "no" \ twice')]


def test_a_name_in_quotes_is_meant_as_it_is() -> None:
    (term,) = parse('group:"a * \\"b\\""')

    assert term == Term("group", "in", ['a * "b"'])
    assert term.exact == 'a * "b"'


def test_a_path_leads_into_the_data() -> None:
    assert parse("data.user.id:42") == [Term("data", "has", "42", path=("user", "id"))]


def test_an_empty_search_matches_everything() -> None:
    assert parse("  ") == []


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("queue:mail stat:failed", 11, "did you mean state?"),
        ("state:faild", 6, "did you mean failed?"),
        ("prio:high", 5, "'high' is not a number"),
        ("prio:nan", 5, "not a number"),
        ("age:5", 4, "5m"),
        ('ok "no end', 3, "quote"),
        ("queue:", 0, "without a value"),
        ('""', 0, "without a value"),
        ("tag.x:1", 0, "only data"),
        ("x" * 501, 500, "500"),
        (" ".join("abcdefghijklmnopqrstu"), 0, "20 terms"),
    ],
)
def test_a_syntax_error_names_its_position(text: str, position: int, message: str) -> None:
    with pytest.raises(SearchError, match=message.replace("?", r"\?")) as caught:
        parse(text)

    assert caught.value.position == position
    assert isinstance(caught.value, BadArgumentError)
