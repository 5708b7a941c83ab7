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


def test_times_and_attempts_are_compared() -> None:
    assert parse("failed:<1h finished:>=2d -started:<90s attempts:>3") == [
        Term("failed", "<", 3_600_000.0),
        Term("finished", ">=", 172_800_000.0),
        Term("started", "<", 90_000.0, is_negated=True),
        Term("attempts", ">", 3.0),
    ]


@pytest.mark.parametrize("text", ["12:30", '"http://example.org"', "1a:b"])
def test_words_that_are_no_field_are_searched_as_text(text: str) -> None:
    assert [term.field for term in parse(text)] == ["text"]


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
        ("failed_at:<1h", 0, "no field failed_at, did you mean failed?"),
        ("start-ed:<1h", 0, "did you mean started?"),
        ("größe:5", 0, 'in quotes: "größe:5"'),
        ("-app.Run:Timeout", 0, 'only data .* in quotes: "app.Run:Timeout"'),
        ("failed:1h", 7, "write failed:<1h for the last 1h, failed:>1h for longer ago"),
        ("started:<soon", 8, "5m"),
        ("attempts:many", 9, "not a number"),
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
