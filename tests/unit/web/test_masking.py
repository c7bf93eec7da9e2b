"""What a mail server answered, shown without whom the mail was for."""

import pytest

from lilong.common.masking import hide_mailboxes


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("550 b'<ada@example.org> unknown'", "550 b'<…@example.org> unknown'"),
        ("550 b'ada.l+x@sub.example.org unknown'", "550 b'…@sub.example.org unknown'"),
        ("550 to:o'neil@example.org, eve@example.net", "550 to:…@example.org, …@example.net"),
        ('550 <"ada lovelace"@example.org>', "550 <…@example.org>"),
        ("550 rfc822;李@例子.中国", "550 rfc822;…@例子.中国"),
        ("see https://example.org/why?to=ada%40example.org", "see https://example.org/why?…%40example.org"),
        ("550 bounce+ada=example.org@example.net", "550 …@example.net"),
        ("421 try again @ noon", "421 try again @ noon"),
        ("ConnectionRefusedError: [Errno 111]", "ConnectionRefusedError: [Errno 111]"),
    ],
)
def test_what_a_server_answers_is_shown_without_whom_the_mail_was_for(answer, shown):
    assert hide_mailboxes(answer) == shown
