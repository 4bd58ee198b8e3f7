"""The reader of pages must notice when a page says what is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.markdown import Step, matches, steps, walk

PAGE = """\
# A page

```console
not run
```

```sh
echo one; echo 'two  '
```

```text
o…e
two
```

Words.

```text
belongs to no command
```

```sh
echo three
```
"""


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ("one\n", "one\n", True),
        ("one\n", "one  \n\n", True),
        ("one\n", "one\ntwo\n", False),
        ("one\n", "two\n", False),
        ("one\n", "", False),
        ("o…\n", "one\n", True),
        ("o…\n", "one\ntwo\n", False),
        ("o…", "xone\n", False),
        ("[a-z]*\n", "abc\n", False),
        ("…\nlast\n", "one\ntwo\nlast\n", True),
        ("…\nlast\n", "last\n", True),
        ("…\nlast\n", "last\nafter\n", False),
    ],
)
def test_what_counts_as_the_same(said: str, printed: str, same: bool) -> None:
    assert matches(said, printed) is same


def test_text_belongs_to_the_command_in_front_of_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("Words.", "```yaml\na: 1\n```"), encoding="utf-8")
    assert steps(page) == [Step("echo one; echo 'two  '\n", "o…e\ntwo\n"), Step("echo three\n", None)]


def run(folder: Path, text: str) -> None:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    walk(page, folder, replace={}, environment={})


def test_a_page_that_is_right_passes(tmp_path: Path) -> None:
    run(tmp_path, PAGE.replace("```text\nbelongs to no command\n```", ""))


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"page.md, block 1: exit status 3"):
        run(tmp_path, "```sh\n(exit 3)\n```\n")


def test_another_output_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="prints\none\nnot\ntwo"):
        run(tmp_path, "```sh\necho one\n```\n\n```text\ntwo\n```\n")
