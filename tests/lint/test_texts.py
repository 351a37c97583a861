# SPDX-License-Identifier: Apache-2.0
"""The check of texts finds what it is meant to find, and nothing else."""
import importlib.machinery
import importlib.util
import os

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """The module tests/lint/texts, looking at an empty folder."""
    loader = importlib.machinery.SourceFileLoader("texts", os.path.join(HERE, "texts"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("texts", loader))
    loader.exec_module(module)
    monkeypatch.setattr(module, "TOP", str(tmp_path))
    return module


def test_long_prose_is_found_and_tables_code_and_links_are_exempt(texts, tmp_path):
    word = "word " * 30
    (tmp_path / "page.md").write_text(
        f"short\n{word}\n| {word} |\n```\n{word}\n```\n    {word}\n"
        f"see [it](https://example.org/{'x' * 100})\n"
    )
    assert [number for number, _ in texts.long_prose("page.md")] == [2]


@pytest.mark.parametrize(
    "text, begins",
    [
        ("/* What lives here. */\nint a;\n", True),
        ("// SPDX-License-Identifier: Apache-2.0\n/* What lives here. */\nint a;\n", True),
        ("// SPDX-License-Identifier: Apache-2.0\nint a;\n", False),
        ("int a;\n", False),
    ],
)
def test_a_source_file_begins_with_a_comment(texts, tmp_path, text, begins):
    (tmp_path / "file.c").write_text(text)
    assert texts.begins_with_comment("file.c") == begins


def test_functions_without_a_comment_are_found(texts, tmp_path):
    (tmp_path / "file.h").write_text(
        """\
/* The file. */
#include <a.h>
#define CALL(x) call(x)

typedef void (*callback)(int);

struct thing {
    int (*operation)(void *data);
};

int bare(int a);

/* Documented, on two lines. */
int documented(int a,
               const char *b) MUST_CHECK;
int in_its_group(void);

struct thing *bare_pointer(void);

static inline int bare_inline(void)
{
    return call();
}

int trailing(void); /* with a comment behind it */
"""
    )
    count, missing = texts.undocumented("file.h")
    assert count == 6
    assert missing == [(11, "bare"), (18, "bare_pointer"), (20, "bare_inline")]
